"""Invented names and DRG codes of the synthetic data, shaped like the real ones."""

from itertools import product
from typing import NamedTuple

import numpy as np


class DrgNames(NamedTuple):
    """Code, medical/surgical code and description of each DRG, ordered by code."""

    codes: list[int]
    kinds: list[str]
    descriptions: list[str]


# First code, last code, number of codes, how many of them are surgical, and what the
# descriptions are about. Ranges follow the body systems of the real grouper.
_BODY_SYSTEMS = (
    (1, 10, 8, 8, ("Organ Transplant", "Long Term Ventilation")),
    (20, 58, 25, 7, ("Intracranial", "Spinal", "Cranial Nerve", "Nervous System")),
    (70, 82, 4, 2, ("Eye", "Orbital")),
    (89, 115, 11, 5, ("Ear, Nose & Throat", "Facial Bone", "Dental")),
    (120, 144, 15, 3, ("Respiratory", "Pulmonary", "Chest Wall")),
    (160, 207, 29, 14, ("Cardiac", "Coronary", "Heart Valve", "Vascular")),
    (220, 254, 23, 10, ("Digestive", "Stomach & Bowel", "Rectal", "Hernia")),
    (260, 284, 11, 5, ("Hepatobiliary", "Pancreatic", "Gallbladder")),
    (301, 351, 27, 15, ("Joint", "Hip & Femur", "Spinal Fusion", "Musculoskeletal")),
    (361, 385, 11, 4, ("Skin", "Breast", "Subcutaneous Tissue")),
    (401, 425, 9, 4, ("Endocrine", "Metabolic", "Thyroid")),
    (440, 469, 17, 8, ("Kidney", "Urinary Tract", "Bladder")),
    (480, 501, 6, 4, ("Male Pelvic", "Prostate")),
    (510, 532, 11, 8, ("Uterine", "Female Reproductive", "Ovarian")),
    (540, 566, 13, 5, ("Delivery", "Antepartum", "Postpartum")),
    (580, 640, 25, 6, ("Neonate", "Neonate, Low Birth Weight", "Newborn")),
    (650, 663, 6, 2, ("Blood", "Spleen & Immune")),
    (680, 694, 8, 2, ("Lymphatic", "Leukemia &/Or Lymphoma")),
    (710, 724, 8, 2, ("Septic", "Parasitic &/Or Viral")),
    (740, 760, 11, 1, ("Mental Health", "Behavioral", "Developmental")),
    (770, 776, 6, 0, ("Alcohol", "Drug Dependence")),
    (791, 816, 8, 1, ("Injury", "Poisoning & Toxic")),
    (841, 844, 4, 2, ("Burn",)),
    (850, 863, 6, 1, ("Rehabilitation", "Aftercare")),
    (890, 894, 4, 0, ("HIV",)),
    (910, 930, 4, 2, ("Multiple Trauma",)),
    (950, 952, 3, 3, ("Unrelated Operating Room",)),
)
_SURGICAL = (
    "Procedures",
    "Procedures W Complications",
    "Major Procedures",
    "Repair, Revision & Removal",
    "Procedures, Other Than Major",
    "Procedures W/O Complications Or Comorbidities",
    "Device Implant",
    "Procedures For Malignancy",
)
_MEDICAL = (
    "Disorders",
    "Infections & Inflammations",
    "Malignancy",
    "Signs, Symptoms & Other Minor Diagnoses",
    "Disorders W Major Complications",
    "Acute Disorders, Except Infection",
    "Disorders W/O Procedure",
    "Failure",
)
# Only these carry severity 0, "Not Applicable".
_UNGROUPABLE = (
    (955, "U", "Principal Diagnosis Invalid As Discharge Diagnosis"),
    (956, "NA", "Ungroupable"),
)

_PLACES = (
    "Adirondack", "Allegany", "Bay Ridge", "Black River", "Brookfield", "Canal Street",
    "Catskill", "Cedar Hill", "Champlain", "Chenango", "Clearwater", "Eastern Suffolk",
    "Finger Lakes", "Fishkill", "Genesee", "Grand Harbor", "Highland", "Hudson Valley",
    "Iron Bridge", "Jamaica Bay", "Kings Park", "Lake Ontario", "Lakeshore", "Mohawk",
    "Montauk", "Niagara", "North Fork", "Oneida", "Oswego", "Palisades", "Queensbridge",
    "Rockaway", "Saratoga", "Seneca", "Southern Tier", "Sound Shore",
    "Thousand Islands", "Tioga", "Tri-County", "Upper Manhattan", "Verrazano",
    "Westchester",
)  # fmt: skip
_KINDS = (
    "Hospital",
    "Medical Center",
    "Memorial Hospital",
    "Community Hospital Inc",
    "University Hospital",
    "Medical Center, Main Campus",
    "General Hospital - North Division",
    '"Good Hope" Hospital',
)


def draw_drgs(rng: np.random.Generator) -> DrgNames:
    """Invent the DRGs: which codes of each body system exist, and their names."""
    rows: list[tuple[int, str, str]] = list(_UNGROUPABLE)
    for first, last, n_codes, n_surgical, subjects in _BODY_SYSTEMS:
        # The range's first code always exists, so that code 1 does.
        others = rng.choice(np.arange(first + 1, last + 1), n_codes - 1, replace=False)
        codes = [first, *sorted(others.tolist())]
        for kind, part, words in (
            ("P", codes[:n_surgical], _SURGICAL),
            ("M", codes[n_surgical:], _MEDICAL),
        ):
            names = [" ".join(pair) for pair in product(subjects, words)]
            chosen = rng.permutation(len(names))[: len(part)]
            rows += [
                (code, kind, names[i]) for code, i in zip(part, chosen, strict=True)
            ]
    codes, kinds, descriptions = zip(*sorted(rows), strict=True)
    return DrgNames(list(codes), list(kinds), list(descriptions))


def draw_facility_names(rng: np.random.Generator, n: int) -> list[str]:
    """Invent ``n`` distinct facility names; some hold commas, some quotes."""
    names = [" ".join(pair) for pair in product(_PLACES, _KINDS)]
    return [names[i] for i in rng.permutation(len(names))[:n]]
