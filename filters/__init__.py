"""The catalogue: every filter and selector a recipe can name."""

from filters.asked import Asked
from filters.base import Filter, Selector
from filters.decontamination import Decontamination
from filters.duplicates import Duplicates
from filters.entailment import Entailment, ReverseEntailment
from filters.entities import Names, Roles
from filters.fluency import Fluency
from filters.fragments import Fragments
from filters.influence_prune import InfluencePrune
from filters.length import Length
from filters.modality import Hedges
from filters.near_duplicates import NearDuplicates
from filters.numbers import Numbers
from filters.one_per_source import OnePerSource
from filters.overlap import Novelty, Overlap
from filters.polarity import Converses, Negation
from filters.reference import Pronouns
from filters.screen import Screen
from filters.seams import Seams
from filters.similarity import Similarity
from filters.support import Support
from filters.syntax import Syntax
from filters.wellformed import Wellformed

FILTERS: dict[str, type[Filter]] = {
    "wellformed": Wellformed,
    "length": Length,
    "overlap": Overlap,
    "novelty": Novelty,
    "numbers": Numbers,
    "names": Names,
    "roles": Roles,
    "negation": Negation,
    "converses": Converses,
    "hedges": Hedges,
    "pronouns": Pronouns,
    "asked": Asked,
    "support": Support,
    "similarity": Similarity,
    "syntax": Syntax,
    "fluency": Fluency,
    "seams": Seams,
    "fragments": Fragments,
    "screen": Screen,
    "entailment": Entailment,
    "reverse_entailment": ReverseEntailment,
}

SELECTORS: dict[str, type[Selector]] = {
    "duplicates": Duplicates,
    "influence_prune": InfluencePrune,
    "near_duplicates": NearDuplicates,
    "one_per_source": OnePerSource,
    "decontamination": Decontamination,
}
