import pyarrow as pa
import pytest

from filters.asked import Asked, asked


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("How much does it cost?", "number"),
        ("What is the total number of ships?", "number"),
        ("When did the war end?", "time"),
        ("What year did the war end?", "time"),
        ("At what time does it start?", "time"),
        ("How long does it take?", "span"),
        ("How old is the bridge?", "degree"),
        ("Why is the sky blue?", "reason"),
        ("How come the sky is blue?", "reason"),
        ("What is the main reason for the war?", "reason"),
        ("What caused the fire?", "reason"),
        ("How can I learn French?", "manner"),
        ("What's the best way to learn French?", "manner"),
        ("What are some of the best ways to learn French?", "manner"),
        ("What can I do to learn French?", "manner"),
        ("Which steps of the plan are there?", "manner"),
        ("Who wrote it?", "person"),
        ("For whom is it?", "person"),
        ("Who's there?", "person"),
        ("What is the name of the person who wrote it?", "person"),
        ("Where is it?", "place"),
        ("In which city is it?", "place"),
        ("What is it?", "thing"),
        ("What are the most popular ways in which it spreads?", "thing"),
        ("Is it old?", "verdict"),
        ("Isn’t it old?", "verdict"),
        ("Can you help me?", "verdict"),
        ("Can't you help me?", "verdict"),
        ("Won’t it help?", "verdict"),
        ("Cannot the two be one?", "verdict"),
        ("Can you tell me how it works?", "manner"),
        ("Does anybody know why it broke?", "reason"),
        ("So, how does it work?", "manner"),
        ('"Why does it work?"', "reason"),
        ("Why does it work?!", "reason"),
        ("Tell me, old friend?", "other"),
        ("今日は？", "nothing"),
        ("It works.", "nothing"),
        ("Why it works is unknown.", "nothing"),
        ("Whyever?", "other"),
        ("?", "other"),
        ("", None),
        (" \n", None),
    ],
)
def test_what_is_asked_for(text: str, kind: str | None) -> None:
    assert asked(text) == kind


def test_nulls_and_verdicts() -> None:
    rows = pa.table(
        {
            "source": pa.array(["How is it?", "How is it?", None, "How is it?", "", "It is."], pa.string()),
            "target": pa.array(["What is it?", "How are they?", "How?", None, "How?", "They are."], pa.string()),
        }
    )
    scores = Asked().open("cpu")(rows)
    assert scores.to_pylist() == [0.0, 1.0, None, None, None, 1.0]
    assert Asked().keep(scores).to_pylist() == [False, True, False, False, False, True]
