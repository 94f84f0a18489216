"""The dependency parser: order, memory, and relations that the meaning check reads."""

from autorefine_lib.models import dependency_parser


def test_parses_keep_the_order():
    texts = ["Please do not move.", "You lead a team.", "Please do not move.", ""]
    assert [doc.text for doc in dependency_parser.parse(texts)] == texts
    assert list(dependency_parser.parse([])) == []


def test_a_sentence_by_hand():
    (doc,) = dependency_parser.parse(["You do not report to nurses."])
    assert [(token.lemma_, token.dep_, token.head.text) for token in doc][:4] == [
        ("you", "nsubj", "report"),
        ("do", "aux", "report"),
        ("not", "neg", "report"),
        ("report", "ROOT", "report"),
    ]
    assert not doc.ents  # names are not looked for: that takes half of the time
