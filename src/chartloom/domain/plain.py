"""What of a message's header may be kept in plain text.

Lists show control ids and message types, so the store keeps them beside the sealed message. Where
a sender shifts its fields, anything can stand there, a name too; so only what looks like what it
should be is kept, and the rest stays in the sealed message alone.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

#: Letters, digits and the joints of numbers and UUIDs, with a digit among them: no name of a person
#: looks so. HL7 v2 allows 20 characters, later 199; request ids are UUIDs mostly.
_CONTROL_ID: Final = re.compile(r"(?=[^0-9]*[0-9])[A-Za-z0-9][A-Za-z0-9._:+/=-]{0,63}")

#: Message code, trigger event and structure (HL7 v2 tables 0076, 0003, 0354); Z for local ones.
_HL7: Final = re.compile(
    r"[A-Z][A-Z0-9]{2}\^(?:[A-Z][0-9]{2}|Z[A-Z0-9]{2})(?:\^[A-Z][A-Z0-9]{2}(?:_[A-Z][A-Z0-9]{2})?)?"
)

#: Message codes, for headers that name no event (HL7 v2 table 0076).
_HL7_CODES: Final = """
    ACK ADR ADT BAR BPS BRP BRT BTS CCF CCI CCM CCQ CCU CQU CRM CSU DBC DBU DEL DEO DER DFT DOC DPR
    DRC DRG DSR EAC EAN EAR EDR EHC EQQ ERP ESR ESU INR INU LSR LSU MCF MDM MFD MFK MFN MFQ MFR NMD
    NMQ NMR OMB OMD OMG OMI OML OMN OMP OMQ OMS OPL OPR OPU ORA ORB ORD ORF ORG ORI ORL ORM ORN ORP
    ORR ORS ORU ORX OSM OSQ OSR OUL PEX PGL PIN PMU PPG PPP PPR PPT PPV PRR PTR QBP QCK QCN QRY QSB
    QSX QVR RAR RAS RCI RCL RDE RDR RDS RDY REF RER RGR RGV ROR RPA RPI RPL RPR RQA RQC RQI RQP RRA
    RRD RRE RRG RRI RSP RTB SCN SDN SDR SIU SLN SLR SMD SPQ SQM SQR SRM SRR SSR SSU STC STI SUR TBR
    TCR TCU UDM VQQ VXQ VXR VXU VXX
"""

#: Resource types of FHIR R4.
_FHIR: Final = """
    Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse
    AuditEvent Basic Binary BiologicallyDerivedProduct BodyStructure Bundle CapabilityStatement
    CarePlan CareTeam CatalogEntry ChargeItem ChargeItemDefinition Claim ClaimResponse
    ClinicalImpression CodeSystem Communication CommunicationRequest CompartmentDefinition
    Composition ConceptMap Condition Consent Contract Coverage CoverageEligibilityRequest
    CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric DeviceRequest
    DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference
    EffectEvidenceSynthesis Encounter Endpoint EnrollmentRequest EnrollmentResponse
    EpisodeOfCare EventDefinition Evidence EvidenceVariable ExampleScenario ExplanationOfBenefit
    FamilyMemberHistory Flag Goal GraphDefinition Group GuidanceResponse HealthcareService
    ImagingStudy Immunization ImmunizationEvaluation ImmunizationRecommendation
    ImplementationGuide InsurancePlan Invoice Library Linkage List Location Measure
    MeasureReport Media Medication MedicationAdministration MedicationDispense
    MedicationKnowledge MedicationRequest MedicationStatement MedicinalProduct
    MedicinalProductAuthorization MedicinalProductContraindication MedicinalProductIndication
    MedicinalProductIngredient MedicinalProductInteraction MedicinalProductManufactured
    MedicinalProductPackaged MedicinalProductPharmaceutical MedicinalProductUndesirableEffect
    MessageDefinition MessageHeader MolecularSequence NamingSystem NutritionOrder Observation
    ObservationDefinition OperationDefinition OperationOutcome Organization
    OrganizationAffiliation Parameters Patient PaymentNotice PaymentReconciliation Person
    PlanDefinition Practitioner PractitionerRole Procedure Provenance Questionnaire
    QuestionnaireResponse RelatedPerson RequestGroup ResearchDefinition
    ResearchElementDefinition ResearchStudy ResearchSubject RiskAssessment RiskEvidenceSynthesis
    Schedule SearchParameter ServiceRequest Slot Specimen SpecimenDefinition StructureDefinition
    StructureMap Subscription SubscriptionStatus Substance SubstanceNucleicAcid SubstancePolymer
    SubstanceProtein SubstanceReferenceInformation SubstanceSourceMaterial
    SubstanceSpecification SupplyDelivery SupplyRequest Task TerminologyCapabilities TestReport
    TestScript ValueSet VerificationResult VisionPrescription
"""

_WHOLE: Final = frozenset((_HL7_CODES + _FHIR).split())


def usual_control_id(text: str) -> bool:
    """Whether ``text`` is empty or looks like a number that a system gave to a message."""
    return not text or _CONTROL_ID.fullmatch(text) is not None


@lru_cache(512)
def usual_message_type(text: str) -> bool:
    """Whether ``text`` is empty, an HL7 v2 message type or a FHIR R4 resource type."""
    if not text or text in _WHOLE:
        return True
    return _HL7.fullmatch(text) is not None
