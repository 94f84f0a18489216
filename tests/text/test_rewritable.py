"""Which sentences of an ad may be rewritten; English is told from other languages by its function words."""

import pytest

from autorefine_lib.text import sentences
from autorefine_lib.text.rewritable import explain_leaving, explain_sentences, is_english, sentences_to_rewrite


@pytest.mark.parametrize(
    "sentence",
    [
        "We're looking for an engineer who cares about users.",
        "You will coordinate care with doctors, nurses and families.",
        "Experience with Python or Go is a plus, but not required.",
        "Prepare, examine, or analyze accounting records and reports.",
        "The post holder will manage a caseload of 30 patients in the community.",
    ],
)
def test_sentences_are_rewritten(sentence):
    assert explain_leaving(sentence) is None


@pytest.mark.parametrize(
    "sentence, reason",
    [
        ("What you will do:", "heading"),
        ("Key Duties and Main Responsibilities", "heading"),
        ("Apply soon", "fragment"),
        ("Acme | Backend Engineer | Berlin | ONSITE | Full-time", "headline"),
        ("Find out more about the team at https://example.org/jobs today.", "link"),
        ("Please send your resume and a letter to jobs@example.org.", "contact"),
        ("Call our recruiting office on +44 20 7946 0000 before Friday.", "contact"),
        ("We are an equal opportunity employer and value diversity at our company.", "legal"),
        ("This post is subject to a Disclosure and Barring Service check.", "legal"),
        ("Python, Django, Postgres, Redis, AWS, Docker and Kubernetes.", "list"),
        ("<li>You will lead a team of five people.</li>", "markup"),
        ("Pay &amp; benefits are reviewed for all staff each year.", "markup"),
        ("Vous travaillez avec une équipe de six personnes.", "not in English"),
        ("We are *really* looking for you and your friends.", "markup"),
        ("[ ] You will talk to the people on the ward.", "markup"),
        ("You will work with the best people 🎉 of all.", "emoji"),
        ("word " * (sentences.LONGEST + 1), "longer"),
    ],
)
def test_facts_are_left_with_a_reason(sentence, reason):
    assert reason in explain_leaving(sentence)


def test_positions_are_those_of_split_and_stop_at_the_recommenders_window():
    ad = "Nurse, Elm Clinic\n\nWe care for people at home. You will work in a team of six.\n\nApply at a@b.org."
    found = list(sentences_to_rewrite(ad))
    assert [text for _, text in found] == [
        "We care for people at home.",
        "You will work in a team of six.",
    ]
    assert [sentences.split(ad)[place] for place, _ in found] == [text for _, text in found]
    long = " ".join(f"This is sentence number {i} of a long ad." for i in range(100))
    read = [text for _, text in sentences_to_rewrite(long)]
    assert 20 <= len(read) <= 26 and read[0].startswith("This is sentence number 0")


def test_sentences_over_several_lines_are_left():
    ad = "We are looking for a nurse who likes\nto work in a small team.\n\nYou will care for six people.\n- and more"
    reasons = [reason for _, _, reason in explain_sentences(ad)]
    assert reasons == ["a sentence over several lines"] * 2 + [None, "a heading or a fragment"]


ENGLISH = [
    "We are looking for a nurse who likes to work in a small team.",
    "Analyze data and prepare reports for the managers of the department.",
    "Ability to work in a fast environment.",
    "You'll design and build our services in Go, Python or Rust; remote is fine.",
    "The post holder will manage a caseload of 30 patients in the community.",
]
OTHERS = {
    "German": "Wir suchen eine Pflegekraft für unsere Station. Was Sie mitbringen, ist Erfahrung. Wir bieten an allen "
    "Standorten flexible Zeiten.",
    "French": "Nous recherchons un infirmier ou une infirmière. On vous propose un contrat à durée indéterminée.",
    "Spanish": "Buscamos una enfermera para nuestra clínica. No es necesario tener experiencia en el sector.",
    "Italian": "Cerchiamo un infermiere per il nostro reparto. La laurea non è richiesta ma è gradita.",
    "Portuguese": "Procuramos uma enfermeira para a nossa clínica. As candidaturas devem ser enviadas até domingo.",
    "Dutch": "Wij zoeken een verpleegkundige in Utrecht. We werken in een team van zes en je hebt plezier. Stuur je "
    "brief of bel ons als je vragen hebt.",
    "Danish": "Vi søger en sygeplejerske. Du skal arbejde i et team og have lyst til at lære. Send os et brev for at "
    "komme til samtale.",
    "Swedish": "Vi söker en sjuksköterska till vår avdelning. Det är bra om du har arbetat med barn.",
    "Norwegian": "Vi søker en sykepleier til avdelingen vår. Det er en fordel å ha erfaring for alle som vil jobbe.",
    "Finnish": "Etsimme sairaanhoitajaa osastollemme Turkuun. Kokemus on eduksi, mutta se ei ole välttämätön.",
    "Polish": "Szukamy pielęgniarki na nasz oddział. Doświadczenie nie jest wymagane, ale to jest zaleta.",
    "Czech": "Hledáme zdravotní sestru na naše oddělení. Praxe je výhodou, ale není to podmínkou.",
    "Romanian": "Căutăm o asistentă medicală pentru secția noastră. Candidații care are experiență sunt bineveniți.",
    "Turkish": "Servisimiz için bir hemşire arıyoruz. Altı kişilik bir ekipte çalışacaksınız.",
    "Indonesian": "Kami mencari seorang perawat untuk klinik kami. Pengalaman tidak diperlukan.",
    "Russian": "Мы ищем медсестру в наше отделение. Опыт работы не требуется.",
    "Greek": "Αναζητούμε νοσοκόμα για την κλινική μας στην Αθήνα. Δεν απαιτείται εμπειρία.",
    "Arabic": "نبحث عن ممرضة لعيادتنا في القاهرة. ستعمل في فريق من ستة أشخاص.",
    "Chinese": "我们正在为上海的诊所招聘一名护士。不需要经验。",
    "Japanese": "東京のクリニックで看護師を募集しています。経験は不要です。",
    "Hindi": "हम दिल्ली में अपने क्लिनिक के लिए एक नर्स की तलाश कर रहे हैं।",
}


@pytest.mark.parametrize("text", ENGLISH)
def test_english(text):
    assert is_english(text)


@pytest.mark.parametrize("language", OTHERS)
def test_other_languages(language):
    assert not is_english(OTHERS[language])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Your" + " kamer" * 49, True),
        ("Your" + " kamer" * 50, False),
        ("OF kamer of kamer kamer kamer kamer kamer kamer kamer", True),
        ("of kamer kamer kamer kamer kamer", False),
        ("12 / 34", False),
    ],
)
def test_shares_by_hand(text, expected):
    assert is_english(text) is expected
