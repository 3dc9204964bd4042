"""Small files in the official layouts, for the tests of `codesuggest.codes`."""

from pathlib import Path

EXTENSIONS = """<sevenChrNote><note>The appropriate 7th character is to be added to each code</note></sevenChrNote>
<sevenChrDef><extension char="A">initial encounter</extension><extension char="D">subsequent encounter</extension>
<extension char="S">sequela</extension></sevenChrDef>"""

TABULAR = f"""<?xml version="1.0" encoding="utf-8"?>
<!-- a comment -->
<ICD10CM.tabular>
  <version>2026</version>
  <introduction><introSection type="title"><title>ICD-10-CM TABULAR LIST</title></introSection></introduction>
  <chapter>
    <name>4</name>
    <desc>Endocrine, nutritional and metabolic diseases (E00-E89)</desc>
    <excludes1><note>transitory disorders specific to newborn (P70-P74)</note></excludes1>
    <sectionIndex><sectionRef first="E08" last="E13" id="E08-E13">Diabetes mellitus</sectionRef></sectionIndex>
    <section id="E08-E13">
      <desc>Diabetes mellitus (E08-E13)</desc>
      <diag><name>E10</name><desc>Type 1 diabetes mellitus</desc>
        <excludes1><note>type 2 diabetes mellitus (E11.-)</note></excludes1>
        <diag><name>E10.9</name><desc>Type 1 diabetes mellitus without complications</desc></diag>
      </diag>
      <diag><name>E11</name><desc>Type 2 diabetes mellitus</desc>
        <includes><note>diabetes NOS</note></includes>
        <excludes1><note>type 1 diabetes mellitus (E10.-)</note><note>gestational diabetes (O24.4-)</note></excludes1>
        <useAdditionalCode><note>code to identify control using:</note><note>insulin (Z79.4)</note></useAdditionalCode>
        <codeAlso></codeAlso>
        <diag><name>E11.6</name><desc>Type 2 diabetes mellitus with other specified complications</desc>
          <diag><name>E11.65</name><desc>Type 2 diabetes mellitus with  hyperglycemia</desc>
            <inclusionTerm><note>Type 2 diabetes mellitus with Sjögren's [odd] term</note></inclusionTerm></diag>
        </diag>
        <diag><name>E11.9</name><desc>Type 2 diabetes mellitus without complications</desc></diag>
      </diag>
    </section>
  </chapter>
  <chapter>
    <name>7</name>
    <desc>Diseases of the eye and adnexa (H00-H59)</desc>
    <section id="H53-H54">
      <desc>Visual disturbances and blindness (H53-H54)</desc>
      <diag><name>H54</name><desc>Blindness and low vision</desc>
        <diag><name>H54.8</name><desc>Legal blindness, as defined in USA</desc>
          <visualImpairment>
            <visCategory><heading>Category</heading>
              <visRange><visMax><heading>Less than:</heading></visMax></visRange></visCategory>
            <visCategory><value>1</value>
              <visRange><visMax><value>6/18</value></visMax><visMin><value>6/60</value></visMin></visRange>
              <visRange><visMax><value>20/70</value></visMax><visMin><value>20/200</value></visMin></visRange></visCategory>
            <visCategory><value>5</value><visRange><visMax><value>No light perception</value></visMax></visRange></visCategory>
          </visualImpairment>
        </diag>
      </diag>
    </section>
  </chapter>
  <chapter>
    <name>19</name>
    <desc>Injury, poisoning and certain other consequences of external causes (S00-T88)</desc>
    <section id="S00-S09">
      <desc>Injuries to the head (S00-S09)</desc>
      <diag><name>S06</name><desc>Intracranial injury</desc>
        <notes><note>7th characters D and S do not apply to codes in category S06 with 6th character 7 - death due to \
brain injury prior to regaining consciousness, or 8 - death due to other cause prior to regaining consciousness.</note></notes>
        {EXTENSIONS}
        <diag><name>S06.1</name><desc>Traumatic cerebral edema</desc>
          <diag placeholder="true"><name>S06.1X</name><desc>Traumatic cerebral edema</desc>
            <diag><name>S06.1X0</name><desc>Traumatic cerebral edema without loss of consciousness</desc></diag>
            <diag><name>S06.1X7</name><desc>Traumatic cerebral edema with death due to brain injury</desc></diag>
          </diag>
        </diag>
      </diag>
    </section>
    <section id="S70-S79">
      <desc>Injuries to the hip and thigh (S70-S79)</desc>
      <diag><name>S72</name><desc>Fracture of femur</desc>
        <sevenChrDef><extension char="A">initial encounter for closed fracture</extension>
          <extension char="B">initial encounter for open fracture type I or II</extension>
          <note>	initial encounter for open fracture NOS</note>
          <extension char="S">sequela</extension></sevenChrDef>
        <diag><name>S72.0</name><desc>Fracture of head and neck of femur</desc>
          <diag><name>S72.00</name><desc>Fracture of unspecified part of neck of femur</desc>
            <diag><name>S72.001</name><desc>Fracture of unspecified part of neck of right femur</desc></diag>
          </diag>
        </diag>
        <diag><name>S72.4</name><desc>Fracture of lower end of femur</desc>
          <diag><name>S72.47</name><desc>Torus fracture of lower end of femur</desc>
            <sevenChrDef><extension char="A">initial encounter for fracture</extension>
              <extension char="S">sequela</extension></sevenChrDef>
            <diag><name>S72.471</name><desc>Torus fracture of lower end of right femur</desc></diag>
          </diag>
        </diag>
      </diag>
    </section>
    <section id="T07-T88"><desc>Injury, poisoning and certain other consequences of external causes (T07-T88)</desc>
      <notes><note>A note of the wider block</note></notes></section>
    <section id="T14"><desc>Injury of unspecified body region (T14)</desc>
      <diag><name>T14</name><desc>Injury of unspecified body region</desc>
        {EXTENSIONS}
        <diag><name>T14.8</name><desc>Other injury of unspecified body region</desc></diag>
      </diag>
    </section>
    <section id="T36-T50"><desc>Poisoning by, adverse effect of and underdosing of drugs (T36-T50)</desc>
      <diag><name>T36</name><desc>Poisoning by systemic antibiotics</desc>
        {EXTENSIONS}
        <diag><name>T36.0</name><desc>Poisoning by penicillins</desc>
          <diag placeholder="true"><name>T36.0X</name><desc>Poisoning by penicillins</desc>
            <diag><name>T36.0X1</name><desc>Poisoning by penicillins, accidental (unintentional)</desc></diag>
          </diag>
        </diag>
      </diag>
    </section>
  </chapter>
  <chapter>
    <name>20</name>
    <desc>External causes of morbidity (V00-Y99)</desc>
    <section id="W00-W19"><desc>Slipping, tripping, stumbling and falls (W00-W19)</desc>
      <diag><name>W19</name><desc>Unspecified fall</desc>{EXTENSIONS}</diag>
    </section>
  </chapter>
</ICD10CM.tabular>
"""

INDEX = """<?xml version="1.0" encoding="utf-8"?>
<ICD10CM.index>
  <version>2026</version>
  <title>ICD-10-CM INDEX TO DISEASES and INJURIES</title>
  <letter><title>D</title>
    <mainTerm><title>Diabetes, diabetic<nemod>(mellitus) (sugar)</nemod> NEC</title><code>E11.9</code>
      <term level="1"><title>with</title>
        <term level="2"><title>hyperglycemia</title><code>E11.65</code></term>
        <term level="2"><title>amyotrophy</title><code>E11.4-</code><manif>G73.3</manif></term>
      </term>
      <term level="1"><title>bronzed</title><see>Hemochromatosis</see><seeAlso>Disease, iron</seeAlso></term>
      <term level="1"><title>shock</title><seecat>T71</seecat><subcat>T75.0</subcat></term>
    </mainTerm>
  </letter>
</ICD10CM.index>
"""

NEOPLASM = """<?xml version="1.0" encoding="utf-8"?>
<ICD10CM.index>
  <version>2026</version>
  <indexHeading><head col="1">Neoplasm</head>
    <head col="2">Malignant Primary</head><head col="3">Malignant Secondary</head></indexHeading>
  <letter><title>N</title>
    <mainTerm><title>Neoplasm, neoplastic</title><cell col="2">C80.1</cell><cell col="3">-</cell>
      <term level="1"><title>abdomen, abdominal</title><manif>words</manif>
        <cell col="2">C76.2</cell><cell col="3">C79.8-</cell></term>
    </mainTerm>
  </letter>
</ICD10CM.index>
"""


def order_line(number: int, code: str, billable: int, title: str) -> str:
    """One line of an order file, columns as CMS publishes them."""
    return f"{number:05d} {code:<7} {billable} {title[:60]:<60} {title}"


ORDER = "\n".join(
    [
        order_line(1, "E11", 0, "Type 2 diabetes mellitus"),
        order_line(2, "E116", 0, "Type 2 diabetes mellitus with other specified complications"),
        order_line(3, "E1165", 1, "Type 2 diabetes mellitus with hyperglycemia"),
        order_line(4, "E119", 1, "Type 2 diabetes mellitus without complications"),
        "",
    ]
)


def hcpcs_line(
    code: str, sequence: int, kind: int, title: str, short: str = "", dates: tuple[str, str, str] = ("", "", "")
) -> str:
    """One 320-byte record; the columns are those of CMS's layout, counted from 1."""
    line = [" "] * 320
    fields = ((1, f"{code:>5}"), (6, f"{sequence:05d}"), (11, str(kind)), (12, title), (92, short))
    if kind in (3, 7):
        fields += ((230, "C"), (257, "D1A"), (269, dates[0]), (277, dates[1]), (285, dates[2]), (293, "N"))
    for start, text in fields:
        line[start - 1 : start - 1 + len(text)] = text
    return "".join(line)


HCPCS = "\r\n".join(
    [
        "***Disclaimers\t\t\t",
        hcpcs_line("A1", 100, 7, "Dressing for one wound", "Dressing for one wound", ("20020701", "20020701", "")),
        hcpcs_line("A0080", 100, 3, "Non-emergency transportation, per mile", "Noninterest", ("19820101", "19960101", "")),
        hcpcs_line("A0080", 200, 4, "(individual or organization)"),
        hcpcs_line("A0999", 100, 3, "An ended service", "Ended", ("19820101", "19960101", "20101231")),
        "",
    ]
)


def write(folder: Path, name: str, text: str) -> Path:
    """Write a file as UTF-8 and return its path."""
    path = folder / name
    path.write_bytes(text.encode("utf-8"))
    return path
