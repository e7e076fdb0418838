package fhirsim

import (
	"fmt"
	"time"
)

// The troublesome ones, by j (see Options).
const (
	withoutNHSNumber = 3
	wrongCheckDigit  = 5
	unknownPriority  = 8
)

const snomed = "http://snomed.info/sct"

// specialty is a clinical service that referrals go to, with what brings people there.
type specialty struct {
	code, name           string
	reason, reasonName   string
	bodySite, bodySiteIn string
}

func specialties() []specialty {
	return []specialty{
		{"394579002", "Cardiology", "29857009", "Chest pain", "80891009", "Heart structure"},
		{"394582007", "Dermatology", "271807003", "Eruption of skin", "39937001", "Skin structure"},
		{"394801008", "Trauma and orthopaedics", "57676002", "Joint pain", "72696002", "Knee region structure"},
		{"394591006", "Neurology", "25064002", "Headache", "69536005", "Head structure"},
		{"418112009", "Pulmonary medicine", "267036007", "Dyspnoea", "39607008", "Lung structure"},
	}
}

// populate makes the world of the first day. Three neighbours at a time share one meta.lastUpdated.
func (s *Server) populate() {
	s.store = map[string]map[string]*record{"Patient": {}, "ServiceRequest": {}, "Appointment": {}}
	start := s.now().Truncate(time.Hour) // worlds of one seed that start seconds apart are equal
	for j, p := range persons(firstPerson, s.options.Referrals) {
		s.people = append(s.people, p.n)
		at := start.Add(-time.Duration((s.options.Referrals-j)/3+1) * time.Minute)
		s.add(p.patient(j), at)
		s.add(s.serviceRequest(j, p, at), at)
		if j%5 != 4 {
			s.add(s.appointment(j, p, at), at)
		}
	}
}

func (s *Server) add(resource object, at time.Time) {
	typ, id := resource["resourceType"].(string), resource["id"].(string)
	r := &record{ref: typ + "/" + id}
	r.put(resource, at)
	s.store[typ][id] = r
}

func (s *Server) serviceRequest(j int, p person, at time.Time) object {
	kind := specialties()[s.random.IntN(len(specialties()))]
	authored := at.AddDate(0, 0, -s.random.IntN(28))
	priority := []string{"routine", "routine", "routine", "urgent", "asap", "stat"}[s.random.IntN(6)]
	if j == unknownPriority {
		priority = "soon"
	}
	return object{
		"resourceType": "ServiceRequest", "id": fmt.Sprintf("sr%d", p.n),
		"meta":       object{"profile": list{"https://fhir.hl7.org.uk/StructureDefinition/UKCore-ServiceRequest"}},
		"identifier": list{object{"system": "https://pas.example.org/referral", "value": fmt.Sprintf("REF%d", p.n)}},
		"status":     []string{"active", "active", "active", "draft", "on-hold", "completed", "revoked"}[s.random.IntN(7)],
		"intent":     []string{"order", "order", "plan", "proposal"}[s.random.IntN(4)],
		"priority":   priority,
		"category":   list{concept(snomed, "3457005", "Patient referral")},
		"code":       concept(snomed, "3457005", "Patient referral"),
		"subject":    object{"reference": fmt.Sprintf("Patient/p%d", p.n)},
		"occurrencePeriod": object{
			"start": authored.AddDate(0, 0, 7).Format(time.DateOnly), "end": authored.AddDate(0, 0, 126).Format(time.DateOnly),
		},
		"authoredOn":    stamp(authored),
		"requester":     organisation("A99999", "Exampleton Medical Practice"),
		"performerType": concept(snomed, kind.code, kind.name),
		"performer":     list{organisation("RX999", "Exampleton Hospital")},
		"reasonCode":    list{concept(snomed, kind.reason, kind.reasonName)},
		"bodySite":      list{concept(snomed, kind.bodySite, kind.bodySiteIn)},
		"note": list{object{
			"time": stamp(authored), "text": fmt.Sprintf("Synthetic referral %d: \"%s\", 3 weeks; %d previous episodes.", p.n, kind.reasonName, j%5),
		}},
	}
}

func organisation(ods, name string) object {
	return object{
		"type":       "Organization",
		"identifier": object{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": ods},
		"display":    name,
	}
}

// appointment is at a quarter-hour of a London working day, told in UTC.
func (s *Server) appointment(j int, p person, at time.Time) object {
	day := at.In(s.london).AddDate(0, 0, s.random.IntN(60)-10)
	start := time.Date(day.Year(), day.Month(), day.Day(), 9+s.random.IntN(8), 15*s.random.IntN(4), 0, 0, s.london)
	status := []string{"booked", "booked", "booked", "proposed", "pending"}[s.random.IntN(5)]
	if start.Before(at) {
		status = []string{"fulfilled", "noshow", "cancelled"}[s.random.IntN(3)]
	}
	return object{
		"resourceType": "Appointment", "id": fmt.Sprintf("ap%d", p.n),
		"meta":        object{"profile": list{"https://fhir.hl7.org.uk/StructureDefinition/UKCore-Appointment"}},
		"identifier":  list{object{"system": "https://pas.example.org/appointment", "value": fmt.Sprintf("APP%d", p.n)}},
		"status":      status,
		"basedOn":     list{object{"reference": fmt.Sprintf("ServiceRequest/sr%d", p.n)}},
		"start":       stamp(start),
		"end":         stamp(start.Add(time.Duration(15+15*(j%3)) * time.Minute)),
		"created":     stamp(at),
		"description": "Synthetic outpatient appointment",
		"participant": list{
			object{"actor": object{"reference": fmt.Sprintf("Patient/p%d", p.n)}, "status": "accepted"},
			object{"actor": object{"display": "Clinic 3, Exampleton Hospital"}, "status": "accepted"},
		},
	}
}
