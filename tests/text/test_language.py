"""English is told from other languages by its function words."""

import pytest

from autorefine_lib.text.language import is_english

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
