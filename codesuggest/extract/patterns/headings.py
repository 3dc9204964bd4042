"""Headings of clinical notes and the sections they open. One line a section; phrases lower case, without marks."""

from __future__ import annotations

__all__ = ["HEADINGS", "PROBLEM_SECTIONS", "SUBHEADINGS", "SYSTEMS"]

_TABLE: dict[str, str] = {
    "chief_complaint": "chief complaint, chief complaints, cc, reason for visit, reason for consultation, reason for consult, "
    "presenting complaint, presenting problem, pc, p c, reason for admission, reason for encounter, reason for referral, "
    "reason for appointment, presentation, indication, indications, clinical indication, clinical history, indication for study, "
    "reason for exam, reason for examination, reason for study, clinical information, indication for procedure, "
    "indications for procedure, chief concern, complaint, reason for call",
    "hpi": "history of present illness, hpi, history of the present illness, present illness, interval history, subjective, s, "
    "history of presenting complaint, hpc, hopi, history, interim history, interval events, events, summary of presentation, "
    "subjective complaints, history and reason for hospitalization, history of presentation, clinical course, "
    "overnight events, brief history, narrative, interval update, current symptoms, history of current illness, hx",
    "pmh": "past medical history, pmh, pmhx, medical history, past history, past medical and surgical history, "
    "past medical surgical history, pmh psh, pmh pshx, chronic conditions, chronic problems, past medical hx, "
    "significant past medical history, comorbidities, co morbidities, past psychiatric history, psychiatric history, "
    "ob history, obstetric history, obstetrical history, gynecologic history, gyn history, past ocular history, ocular history, "
    "oncologic history, oncology history, cancer history, cardiac history, birth history, pmhx psh, medical problems, "
    "past cardiac history, past oncologic history, known conditions, background, past medical problems, hx pmh, past med hx, "
    "relevant history, relevant past history, pertinent history, ob gyn history, past obstetric history, med hx, "
    "medical hx, neonatal history, perinatal history, pmh and psh, pertinent past medical history",
    "psh": "past surgical history, psh, pshx, surgical history, past surgical hx, surgical hx, prior surgeries, previous surgeries, "
    "past procedures, surgeries",
    "family_history": "family history, fh, fhx, family hx, fam hx, family medical history, famhx, fam history",
    "social_history": "social history, sh, shx, social hx, soc hx, personal history, habits, substance use, social, "
    "family and social history, social and family history, family social history, fam sochx, sochx, tobacco, "
    "social history and habits, sexual history, occupational history, tobacco use, alcohol use, lifestyle, psychosocial",
    "medications": "medications, meds, current medications, home medications, outpatient medications, medication, "
    "discharge medications, medications on admission, admission medications, dh, drug history, current meds, home meds, "
    "medications on discharge, medications at discharge, medication list, inpatient medications, current outpatient medications, "
    "medications prior to admission, scheduled medications, prn medications, discharge meds, rx, prescriptions, meds on admission, "
    "meds at home, meds on discharge, active medications, medications at home, preadmission medications, current medication list",
    "allergies": "allergies, allergy, all, allergic to, drug allergies, nkda, adverse reactions, allergies and intolerances, medication allergies",
    "ros": "review of systems, ros, systems review, review of symptoms, system review, pertinent review of systems, "
    "pertinent ros",
    "exam": "physical exam, physical examination, exam, pe, examination, o e, oe, on examination, objective, o, general exam, "
    "physical findings, mental status exam, mental status examination, mse, discharge exam, exam on discharge, neurologic exam, "
    "neurological examination, physical exam on admission, physical exam at discharge, physical exam on discharge, "
    "admission exam, admission physical exam, discharge physical exam, discharge examination, focused exam, "
    "physical examination on admission, physical examination at discharge, clinical exam, ophthalmic exam, slit lamp exam, "
    "pelvic exam, skin exam, musculoskeletal exam, exam at discharge, exam today, condition and exam at discharge",
    "vitals": "vitals, vital signs, vs, vitals reviewed, obs, observations, vitals and measurements, vital signs on admission, triage vitals, "
    "vital signs at discharge, discharge vitals, admission vitals",
    "labs": "labs, laboratory, laboratory data, lab results, laboratory results, results, data, pertinent results, lab data, "
    "laboratory findings, laboratory studies, investigations, diagnostics, test results, diagnostic studies, studies, "
    "diagnostic data, labs and imaging, ix, tests, pertinent labs, microbiology, blood work, bloods, data reviewed, results reviewed, "
    "diagnostic results, pertinent laboratory data, relevant results, labs on discharge, labs on admission, admission labs, "
    "discharge labs, labs and studies, labs and data, workup, diagnostic testing, data review, ed workup, key labs, micro, "
    "laboratory and imaging, results review, significant results, pertinent data, key results, pertinent labs and imaging",
    "imaging": "imaging, radiology, findings, imaging studies, radiographs, x rays, xrays, imaging results, ekg, ecg, "
    "echocardiogram, echo, technique, comparison, radiology results, mri, ct, ultrasound, chest x ray, cxr, ct head, "
    "radiographic findings, imaging findings, pertinent imaging, key imaging, imaging and studies, studies imaging, x ray, "
    "ekg findings, procedure findings, specimen, specimens, gross description, microscopic description, gross, microscopic, "
    "intraoperative findings, operative findings, cardiac studies, ct abdomen pelvis, ct chest, mri brain",
    "procedures": "procedures, procedure, procedures performed, operations, operations performed, operation, operation performed, "
    "procedure performed, operative procedure, surgery, major surgical or invasive procedure, procedures and operations, "
    "procedures during admission, description of procedure, procedure in detail, details of procedure, procedure details, "
    "title of operation, procedure note, operative course, anesthesia, technique of procedure, name of procedure, "
    "description of the procedure, procedures this admission, surgeries this admission",
    "hospital_course": "hospital course, brief hospital course, course, ed course, emergency department course, "
    "clinical course in hospital, course in hospital, hospital course by problem, hospital course by system, "
    "summary of hospital course, inpatient course, hospitalization course, hospital summary, course of stay, icu course, "
    "hospital course by issue, postoperative course, post operative course, mdm, medical decision making, "
    "ed course and medical decision making, ed course and mdm, course and treatment, mdm ed course, ed course mdm, "
    "medical decision making and ed course, events of hospitalization, nicu course, treatment course, hospital narrative, "
    "concise summary of hospital stay, summary of stay, stay summary, course during admission, ward course",
    "assessment": "assessment, impression, imp, a, diagnosis, diagnoses, final diagnosis, final diagnoses, clinical impression, dx, "
    "diagnostic impression, impressions, overall impression, encounter diagnoses, encounter diagnosis, visit diagnoses, "
    "visit diagnosis, assessment diagnosis, working diagnosis, conclusion, conclusions, summary and impression, "
    "postoperative diagnosis, post operative diagnosis, postoperative diagnoses, ed diagnosis, ed diagnoses, assessments, "
    "clinical assessment, provisional diagnosis, pathologic diagnosis, pathological diagnosis, final pathologic diagnosis, "
    "assessment and diagnosis, psychiatric diagnoses, dsm 5 diagnoses, ddx, final ed diagnosis, preop diagnosis and indication, "
    "formulation, overall assessment, post op diagnosis, summary, assessment impression, problem, problems addressed, "
    "problems addressed today, issues, final impression, opinion, dx today, diagnosis codes, diagnosis impression",
    "plan": "plan, p, treatment plan, recommendations, recommendation, disposition, disposition and plan, plan of care, care plan, "
    "management, management plan, next steps, treatment, plan and recommendations, treatment and plan, orders, rec, recs, "
    "plan recommendations, interventions, disposition plan, mx, plan today",
    "assessment_plan": "assessment and plan, a p, ap, a and p, assessment plan, impression and plan, impression plan, "
    "impression and recommendations, assessment and recommendations, assessment recommendations, assessment and treatment plan, "
    "assessment and plan by problem, plan by problem, plan by diagnosis, problem based plan, impression and recommendation, "
    "diagnosis and plan, diagnoses and plan, assessment discussion and plan, assessment medical decision making and plan, i p, "
    "assessment and medical decision making, impression recommendations, assessment and plan of care, "
    "assessment with plan, problem oriented plan, assessment and management, discussion, discussion and plan, "
    "assessment and plan by issue, diagnosis plan, problems and plan, problem list and plan, "
    "active issues, issues and plan, active problems and plan, impression and management, a and p by problem",
    "discharge_diagnosis": "principal dx, secondary dx, primary dx, final dx, discharge diagnosis, discharge diagnoses, principal diagnosis, primary diagnosis, primary diagnoses, "
    "secondary diagnoses, secondary diagnosis, principal discharge diagnosis, final discharge diagnosis, "
    "secondary discharge diagnoses, diagnosis at discharge, diagnoses at discharge, discharge dx, other diagnoses, "
    "primary discharge diagnosis, primary discharge diagnoses, additional diagnoses, discharge diagnosis list, final diagnoses at discharge, "
    "complications, active diagnoses, principal problem, hospital problems, active hospital problems, diagnoses this admission, "
    "chronic diagnoses, other active diagnoses, diagnoses on discharge, diagnosis on discharge, main diagnosis, comorbid diagnoses, "
    "secondary problems, primary problem, final principal diagnosis, discharge diagnoses in order of priority, dx at discharge, "
    "associated diagnoses, chronic medical conditions",
    "admission_diagnosis": "admission diagnosis, admitting diagnosis, admission diagnoses, admit diagnosis, preoperative diagnosis, "
    "pre operative diagnosis, preop diagnosis, admitting diagnoses, preoperative diagnoses, admission dx, pre op diagnosis, "
    "diagnosis on admission, diagnoses on admission, initial diagnosis, referring diagnosis",
    "problem_list": "problem list, active problems, problems, active problem list, patient active problem list, current problems, "
    "active medical problems, ongoing problems, active medical issues, medical issues, chronic problem list, past and active problems, "
    "resolved problems, inactive problems",
    "instructions": "discharge instructions, instructions, patient instructions, follow up, followup, follow up instructions, "
    "return precautions, patient education, education, counseling, disposition and follow up, discharge plan, discharge planning, "
    "follow up plans, follow up appointments, warning signs, discharge instructions and follow up, discharge follow up, "
    "safety netting, when to call, when to return, follow up plan, patient education and counseling, instructions to patient, "
    "instructions given, post discharge instructions, activity, diet, pending results, pending at discharge, "
    "pending studies, follow up and instructions, return instructions, home care instructions, discharge activity, discharge diet, "
    "patient agreements, advice, outpatient follow up, follow up needed, appointments",
    "other": "attending, attending physician, date of admission, date of discharge, admission date, discharge date, patient, name, dob, "
    "date of service, date of birth, service, provider, mrn, sex, age, condition at discharge, discharge condition, condition, "
    "code status, disposition on discharge, discharge disposition, immunizations, immunization history, vaccinations, consultants, "
    "consults, consultations, time spent, signature, electronically signed, dictated by, cc to, copies to, referring physician, "
    "pcp, functional status, health maintenance, growth and development, development, developmental history, nutrition, "
    "risk assessment, estimated blood loss, ebl, drains, implants, surgeon, assistant, informed consent, consent, dictated, "
    "length of stay, date, facility, admitting physician, prognosis, goals of care, advance directives, addendum, attestation, "
    "quality measures, history source, source of information, limitations, exam limitations, advance directive, discharged to, "
    "consulting services, consultations obtained, time, clinic, location, visit type, referred by, dos, author, to, from, re, dear",
}

HEADINGS: dict[str, str] = {phrase.strip(): name for name, phrases in _TABLE.items() for phrase in phrases.split(",")}

SYSTEMS: frozenset[str] = frozenset(
    "general, constitutional, heent, head, eyes, ears, nose, throat, mouth, neck, cardiovascular, cv, cardiac, heart, respiratory, resp, "
    "pulmonary, lungs, chest, gastrointestinal, gi, abdomen, abd, genitourinary, gu, musculoskeletal, msk, extremities, ext, skin, "
    "integumentary, neurological, neurologic, neuro, psychiatric, psych, endocrine, hematologic, heme, lymphatic, allergic, immunologic, "
    "breast, breasts, back, spine, vascular, rectal, pelvic, gen, ent, hem lymph, constitution, vitals, lymph nodes, lymph, oropharynx, "
    "hematologic lymphatic, allergic immunologic, genitalia, pulm, ears nose throat, ears nose mouth throat, neck supple".replace(
        "\n", ""
    ).split(", ")
)

# Labels inside the plan for one problem: what follows speaks of the problem named before.
SUBHEADINGS: frozenset[str] = frozenset(
    "medical reasoning, medical treatment, medical decision making, additional testing, patient education, patient education and counseling, "
    "specialist referrals, referrals, referral, further diagnostics, diagnostics, plan, assessment, treatment, medications, medication, "
    "monitoring, follow up, followup, labs, imaging, reasoning, therapy, education, counseling, testing, procedures, counselling, status, "
    "current regimen, regimen, goals, goal, workup, work up, management, recommendations, rx, tx, dx, mdm, patient agreements, course, "
    "differential, differential diagnosis, ddx, rationale, evaluation, instructions, next steps, notes, comment, comments, discussion, "
    "lifestyle, diet, activity, prevention, disposition, orders, contingency, outpatient, inpatient, on discharge, at discharge, "
    "medical reason, medical treatment and plan, self care, additional tests".split(", ")
)

# Sections in which a short line names a problem.
PROBLEM_SECTIONS: frozenset[str] = frozenset(
    {"assessment", "plan", "assessment_plan", "discharge_diagnosis", "admission_diagnosis", "problem_list", "hospital_course"}
)
