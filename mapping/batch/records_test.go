package batch

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// benchRecord makes referral number i for the bench, about people who do not exist: NHS numbers of the 999 range, telephone
// numbers that Ofcom keeps for drama. The same i gives the same record.
func benchRecord(i int, codes []string) []byte {
	g := &recordMaker{r: rand.New(rand.NewPCG(2026, uint64(i))), codes: codes}
	r := g.request(i)
	out, err := json.Marshal(r)
	if err != nil {
		return nil
	}
	return out
}

type object = map[string]any

type recordMaker struct {
	r     *rand.Rand
	codes []string
}

func (g *recordMaker) chance(percent int) bool   { return g.r.IntN(100) < percent }
func (g *recordMaker) of(words ...string) string { return words[g.r.IntN(len(words))] }

func (g *recordMaker) family() string {
	return g.of("Testwell", "Müller-Probe", "O'Sample", "Łukasik", "de Fictive", "Made-Up", "Ex\u0301ample")
}

func (g *recordMaker) moment(day int) string {
	at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, day).Add(time.Duration(g.r.Int64N(int64(24 * time.Hour))))
	layout := g.of("2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.000Z07:00")
	zone := time.FixedZone("", 3600*[]int{0, 0, 1, -5}[g.r.IntN(4)])
	return at.In(zone).Format(layout)
}

func (g *recordMaker) nhsNumber() string {
	n := 999_000_000 + g.r.IntN(1_000_000)
	digits := fmt.Sprint(n)
	sum := 0
	for i, c := range digits {
		sum += int(c-'0') * (10 - i)
	}
	check := (11 - sum%11) % 11
	if check == 10 || g.chance(4) {
		check = (check + 1) % 10 // wrong
	}
	s := digits + fmt.Sprint(check)
	if g.chance(10) {
		return s[:3] + g.of(" ", "-") + s[3:6] + " " + s[6:]
	}
	return s
}

func (g *recordMaker) concept(text string) object {
	var codings []any
	if g.chance(20) {
		codings = append(codings, object{"system": "http://read.info/readv2", "code": "R1", "display": "Read"})
	}
	if g.chance(92) {
		c := object{"system": "http://snomed.info/sct", "code": g.codes[g.r.IntN(len(g.codes))]}
		if g.chance(10) {
			c["code"] = "99999999"
		}
		if g.chance(80) {
			c["display"] = "Displayed"
		}
		codings = append(codings, c)
	}
	out := object{}
	addList(out, "coding", codings)
	if text != "" {
		out["text"] = text
	}
	return out
}

func addList(o object, name string, list []any) {
	if len(list) > 0 {
		o[name] = list
	}
}

func (g *recordMaker) several(most int, make func() any) []any {
	var out []any
	for range g.r.IntN(most + 1) {
		out = append(out, make())
	}
	return out
}

func (g *recordMaker) patient(nhs string) object {
	p := object{"resourceType": "Patient", "id": "patient", "gender": g.of("male", "female", "other", "unknown", "odd"),
		"birthDate": g.of("1962-02-11", "1990-12", "2001-07-30")}
	identifier := object{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": nhs}
	if g.chance(60) {
		identifier["extension"] = []any{object{
			"url":                  "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
			"valueCodeableConcept": object{"coding": []any{object{"system": "urn:x", "code": g.of("01", "02")}}}}}
	}
	list := []any{object{"system": "https://trust.example/Id/local", "value": "T1"}}
	if g.chance(95) {
		list = append(list, identifier)
	}
	p["identifier"] = list
	addList(p, "name", g.several(3, func() any {
		return object{"use": g.of("official", "usual", "nickname", "old"), "family": g.family(),
			"given": []any{"Ada", "Zoë", "Marigold"}[:1+g.r.IntN(3)], "prefix": []any{g.of("Mr", "Dr.", "MISS", "Sir")}}
	}))
	addList(p, "telecom", g.several(4, func() any {
		if g.chance(25) {
			return object{"system": "email", "value": "Someone.Else@Example.ORG"}
		}
		return object{"system": "phone", "use": g.of("home", "mobile", "work"),
			"value": g.of("01632 960 001", "+44 1632 960002", "(01632) 960-003")}
	}))
	addList(p, "address", g.several(3, func() any {
		a := object{"use": g.of("home", "temp", "old"), "line": []any{"Flat 1", "2 High Street"}[:1+g.r.IntN(2)],
			"city": "Exampleton", "postalCode": g.of("zz99 9zz", "ZZ99 9ZZ")}
		if g.chance(30) {
			a["period"] = object{"start": "2001-01-01", "end": "2019-11-30"}
		}
		if g.chance(20) {
			a["country"] = "GBR"
		}
		return a
	}))
	return p
}

func (g *recordMaker) request(i int) object {
	r := object{"resourceType": "ServiceRequest", "id": fmt.Sprintf("r.%08d", i), "meta": object{"versionId": fmt.Sprint(1 + i%9)},
		"status": g.of("active", "active", "completed", "revoked", "on-hold", "strange"), "intent": g.of("order", "plan", "odd"),
		"authoredOn": g.moment(i % 900)}
	nhs := g.nhsNumber()
	var contained []any
	subject := object{}
	if g.chance(95) {
		contained = append(contained, g.patient(nhs))
		subject["reference"] = "#patient"
	}
	if g.chance(50) {
		subject["identifier"] = object{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": nhs}
	}
	r["subject"] = subject
	contained = append(contained, g.practice(r)...)
	addList(r, "performer", g.several(8, func() any {
		id := fmt.Sprintf("s%d", len(contained))
		identifier := object{"system": g.of("https://fhir.nhs.uk/Id/ers-service", "https://fhir.nhs.uk/Id/ods-organization-code", "urn:other"),
			"value": id}
		switch {
		case g.chance(30):
			contained = append(contained, object{"resourceType": "HealthcareService", "id": id, "identifier": []any{identifier}, "name": "Clinic"})
			return object{"reference": "#" + id}
		case g.chance(10):
			return object{"reference": "Practitioner/" + id, "display": "Nobody"}
		}
		return object{"identifier": identifier, "display": "Shown " + g.of("clinic", "\"quoted\"")}
	}))
	g.r.Shuffle(len(contained), func(a, b int) { contained[a], contained[b] = contained[b], contained[a] })
	r["contained"] = contained
	g.rest(r, i)
	return r
}

func (g *recordMaker) practice(r object) []any {
	ods := object{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "Y00001"}
	sds := object{"system": "https://fhir.nhs.uk/Id/sds-user-id", "value": "021600556514"}
	if g.chance(10) {
		r["requester"] = object{"display": "Dr Shown", "identifier": sds}
		return nil
	}
	r["requester"] = object{"reference": "#role", "display": "Referrer"}
	role := object{"resourceType": "PractitionerRole", "id": "role", "practitioner": object{"reference": "#gp"},
		"organization": object{"identifier": ods, "display": "The Surgery", "reference": g.of("#practice", "Organization/1")}}
	gp := object{"resourceType": "Practitioner", "id": "gp", "identifier": []any{sds, object{"system": "https://fhir.hl7.org.uk/Id/gmc-number", "value": "7"}},
		"name": []any{object{"family": g.family(), "given": []any{"Grace", "Grace"}, "prefix": []any{"Dr"}}}}
	return []any{role, gp, object{"resourceType": "Organization", "id": "practice", "name": "Practice & Partners"}}
}

func (g *recordMaker) rest(r object, i int) {
	const ers = "https://fhir.nhs.uk/StructureDefinition/Extension-eRS-"
	r["identifier"] = []any{object{"system": "https://fhir.nhs.uk/Id/UBRN", "value": fmt.Sprintf("%012d", i)}}
	r["category"] = []any{object{"coding": []any{object{"system": "http://snomed.info/sct", "code": "306206005"},
		object{"system": "https://fhir.nhs.uk/CodeSystem/message-category-servicerequest", "code": g.of("referral", "request", "diagnostic")}}}}
	extensions := []any{object{"url": ers + "ReferralPriority-1", "valueCodeableConcept": object{"coding": []any{
		object{"system": "urn:p", "code": g.of("ROUTINE", "URGENT", "TWO_WEEK_WAIT", "ODD")}}}},
		object{"url": ers + "eReferralPathwayStart-1", "valueInstant": g.moment(i % 900)},
		object{"url": ers + "ReferralState-1", "extension": []any{object{"url": "state", "valueCoding": object{"code": "BOOKED"}}}}}
	r["extension"] = slices.DeleteFunc(extensions, func(any) bool { return g.chance(40) })
	if len(r["extension"].([]any)) == 0 {
		delete(r, "extension")
	}
	r["code"] = g.concept(g.of("", "Said in words"))
	switch g.r.IntN(3) {
	case 0:
		r["occurrencePeriod"] = object{"start": g.moment(3), "end": g.moment(4)}
	case 1:
		r["occurrenceDateTime"] = g.of("2026-06-15", "2026-06", "2026-06-15T10:00:00+01:00")
	}
	if g.chance(70) {
		r["priority"] = g.of("routine", "urgent", "asap", "stat")
	}
	addList(r, "reasonCode", g.several(3, func() any { return g.concept(g.of("", "Because", "Línea\nbreak 👩‍⚕️")) }))
	addList(r, "bodySite", g.several(2, func() any { return g.concept("") }))
	addList(r, "supportingInfo", g.several(3, func() any {
		d := object{"type": g.of("DocumentReference", "Observation"), "reference": "DocumentReference/1"}
		if g.chance(50) {
			d["identifier"], d["display"] = object{"value": "att-1"}, "letter.pdf"
		}
		return d
	}))
	addList(r, "note", g.several(3, func() any {
		n := object{"text": strings.Repeat("A sentence about nothing in particular – said twice. ", 1+g.r.IntN(3))}
		if g.chance(70) {
			n["authorString"] = "Dr Testwell"
		}
		if g.chance(80) {
			n["time"] = g.moment(i % 900)
		}
		return n
	}))
	if g.chance(40) {
		r["patientInstruction"] = strings.TrimSpace(strings.Repeat("Bring your card – please. ", 1+g.r.IntN(14)))
	}
}
