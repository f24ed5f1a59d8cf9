(() => {
  // Without this script every pair is shown; with it, those that are looked for, thirty at a time.
  const list = document.getElementById("examples");
  if (!list) return;
  const step = 30;
  const rows = Array.from(list.children, (row) => ({ row, text: row.textContent.toLowerCase() }));
  const words = document.getElementById("words");
  const choices = ["verdict", "task", "reason"].map((name) => [name, document.getElementById(name)]);
  const more = document.getElementById("more");
  const found = document.getElementById("found");
  let most = step;
  const show = () => {
    const asked = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = ({ row, text }) =>
      asked.every((word) => text.includes(word)) &&
      choices.every(([name, choice]) => !choice.value || row.dataset[name] === choice.value);
    let count = 0;
    for (const each of rows) {
      const fit = fits(each);
      count += fit;
      each.row.hidden = !fit || count > most;
    }
    found.textContent = `${Math.min(count, most)} of ${count} pairs shown, ${rows.length} in all`;
    more.hidden = count <= most;
  };
  const anew = () => { most = step; show(); };
  words.addEventListener("input", anew);
  for (const [, choice] of choices) choice.addEventListener("change", anew);
  more.addEventListener("click", () => {
    const first = list.querySelectorAll("li:not([hidden])").length;
    most += step;
    show();
    const next = list.querySelectorAll("li:not([hidden])")[first];
    if (next) { next.tabIndex = -1; next.focus(); }
  });
  const form = document.querySelector(".search");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  show();
})();
