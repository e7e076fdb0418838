package review

import "refbridge/mapping"

// elementWords gives a path with what it says; of one element alone, what FHIR means by it.
func elementWords(t *mapping.Table, p *mapping.Path) path {
	out := *wordsOf(p)
	if out.Words != "" {
		return out
	}
	switch {
	case t.ForEach != nil:
		out.Words = partWords(out.Text)
	case t.Source == "Appointment":
		out.Words = appointmentWords(out.Text)
	case t.Source == "ServiceRequest":
		out.Words = requestWords(out.Text)
	}
	return out
}

// requestWords says what an element of ServiceRequest is, after its definition in FHIR R4.
func requestWords(element string) string {
	return map[string]string{
		"identifier":            "the numbers by which the request is known",
		"instantiatesCanonical": "the guideline or protocol that it follows",
		"instantiatesUri":       "the guideline or protocol outside FHIR that it follows",
		"basedOn":               "the plan or request that this request fulfils",
		"replaces":              "the earlier request that this one replaces",
		"requisition":           "the identifier of the group of requests that were made together",
		"status":                "whether the request is draft, active, on hold, revoked or completed",
		"intent":                "whether it is a proposal, a plan or an order",
		"category":              "the kind of service",
		"priority":              "routine, urgent, as soon as possible or at once",
		"doNotPerform":          "the request is not to do the service",
		"code":                  "the service that is requested",
		"orderDetail":           "details of the order, such as how it is to be done",
		"quantity":              "the amount of service that is requested",
		"subject":               "the patient",
		"encounter":             "the contact during which the request was made",
		"occurrence":            "when the service should happen",
		"asNeeded":              "the condition under which the service is to be done",
		"authoredOn":            "when the request was signed",
		"requester":             "who asks for the service",
		"performerType":         "the role or specialty that is to perform it",
		"performer":             "who is asked to perform it",
		"locationCode":          "the kind of place where it is to be done",
		"locationReference":     "the place where it is to be done",
		"reasonCode":            "the reason, coded",
		"reasonReference":       "the condition, observation or report that is the reason",
		"insurance":             "the coverage that may pay for it",
		"supportingInfo":        "further clinical information, such as attached letters and documents",
		"specimen":              "the specimen that is to be examined",
		"bodySite":              "the part of the body",
		"note":                  "comments",
		"patientInstruction":    "instructions for the patient",
		"relevantHistory":       "the record of earlier changes to the request",
		"contained":             "resources that stand within this one",
		"text":                  "the summary for reading",
		"language":              "the language of the resource",
	}[element]
}

// appointmentWords says what an element of Appointment is, after its definition in FHIR R4.
func appointmentWords(element string) string {
	return map[string]string{
		"identifier":            "the numbers by which the appointment is known",
		"status":                "whether it is proposed, booked, arrived, fulfilled, cancelled or not attended",
		"cancelationReason":     "why it was cancelled",
		"serviceCategory":       "the broad kind of service",
		"serviceType":           "the service that is to be performed",
		"specialty":             "the specialty of who is to perform it",
		"appointmentType":       "the style of the appointment, such as routine or walk-in",
		"reasonCode":            "the reason, coded",
		"reasonReference":       "the condition, procedure or observation that is the reason",
		"priority":              "the priority as a number",
		"description":           "the title in a list of appointments",
		"supportingInformation": "further clinical information",
		"start":                 "when it begins",
		"end":                   "when it ends",
		"minutesDuration":       "how long it takes, in minutes",
		"slot":                  "the slots of a schedule that it fills",
		"created":               "when it was entered",
		"comment":               "comments",
		"patientInstruction":    "instructions for the patient",
		"basedOn":               "the referral that it fulfils",
		"participant":           "the patient, clinicians, services and places that take part",
		"requestedPeriod":       "the dates between which the patient asked for it",
		"text":                  "the summary for reading",
		"language":              "the language of the resource",
	}[element]
}

// partWords says what an element of a patient, an identifier or a code is.
func partWords(element string) string {
	return map[string]string{
		"maritalStatus":        "whether the patient is married",
		"multipleBirth":        "whether the patient is a twin or the like",
		"photo":                "a picture of the patient",
		"contact":              "the next of kin, guardian or other contact of the patient",
		"communication":        "the languages in which the patient can be spoken to",
		"generalPractitioner":  "the GP or GP practice",
		"managingOrganization": "the organisation that keeps this record of the patient",
		"link":                 "another record of the same patient",
		"name":                 "the names of the patient",
		"telecom":              "telephone numbers and e-mail addresses",
		"address":              "the addresses",
		"type":                 "the kind of identifier",
		"assigner":             "the organisation that gave the identifier out",
		"use":                  "what it is used for, such as official or old",
		"system":               "the system that gives it out",
		"value":                "the identifier itself",
		"period":               "from when until when it holds",
		"version":              "the version of the code system",
		"display":              "the term as the code system writes it",
		"userSelected":         "whether a person chose this code",
		"text":                 "the summary for reading",
		"language":             "the language of the resource",
	}[element]
}
