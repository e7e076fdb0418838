package sfdcsim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrPersonExists is what AddPerson answers for a person who has an Account already.
var ErrPersonExists = errors.New("this person has an account")

const nhsNumberSystem = "https://fhir.nhs.uk/Id/nhs-number"

// people is the synthetic population: person n has the n-th valid NHS number of the 999 range, ascending.
type people struct {
	numbers []string
	prefix  int // the next nine digits to look at
	here    map[int]bool
}

// nhsNumber gives the NHS number of person n.
func (p *people) nhsNumber(n int) string {
	if p.prefix == 0 {
		p.prefix = 999000000
	}
	for len(p.numbers) <= n {
		nine := strconv.Itoa(p.prefix)
		sum := 0
		for i, c := range nine {
			sum += int(c-'0') * (10 - i)
		}
		if check := (11 - sum%11) % 11; check < 10 {
			p.numbers = append(p.numbers, nine+strconv.Itoa(check))
		}
		p.prefix++
	}
	return p.numbers[n]
}

// The names are invented: they are in no register of names.
func familyName(n int) string {
	return pick(n, `Ashdrake Bellowmere Cotterwick Dunmarrow Elderfen Fennimoor Garrowby Hexwold Inglecote Jarrowmere
		Kettlethorn Larkmoss Merriweld Nettlecombe Oakenshade Pemberlow Quillbrook Ravensmoor Stavelow Thistlewade
		Underhallow Vexmoor Wetherfold Yarrowdale Zelbrook Brackenhurst Copperwell Drystane Emberleigh Foxcombe Gorseley`)
}

func givenName(n int) string {
	return pick(n, `Aldra Bretta Corin Dellan Esmer Farro Gwilla Hestan Ilra Jorrin Kessa Lorvan Mirelle Norrin Ottil
		Pellam Quenna Rosmer Silvan Tamsel Ulric Venna Wystan Xenlo Yselle Zorin Averil Benno Cressa`)
}

func pick(n int, names string) string {
	list := strings.Fields(names)
	return list[n%len(list)]
}

func birthDate(n int) string {
	return time.Date(1940, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n*379%25000).Format(time.DateOnly)
}

// AddPerson gives person n an Account with the NHS number as an Identifier, as a registration clerk would.
func (s *Server) AddPerson(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addPerson(n)
}

func (s *Server) addPerson(n int) error {
	if n < 0 {
		return fmt.Errorf("add person %d: no such person", n)
	}
	if s.people.here[n] {
		return fmt.Errorf("add person %d: %w", n, ErrPersonExists)
	}
	accounts, identifiers := s.schema.object("Account"), s.schema.object("Identifier")
	if accounts == nil || identifiers == nil {
		return fmt.Errorf("add person %d: the org has no accounts or no identifiers", n)
	}
	t := s.begin(s.users.admin)
	account := t.create(accounts, map[string]any{"LastName": familyName(n), "FirstName": givenName(n),
		"PersonBirthdate": birthDate(n), "IsActive": true})
	if account.err != nil {
		t.rollback(0)
		return fmt.Errorf("add person %d: %s", n, account.err.code)
	}
	identifier := t.create(identifiers, map[string]any{"ParentRecordId": account.id,
		"SourceSystem": nhsNumberSystem, "IdValue": s.people.nhsNumber(n), "IdUsageType": "Official"})
	if identifier.err != nil {
		t.rollback(0)
		return fmt.Errorf("add person %d: %s", n, identifier.err.code)
	}
	s.people.here[n] = true
	return nil
}

// populate stores what a fresh org has, then the people.
func (s *Server) populate() error {
	s.people.here = map[int]bool{}
	t := s.begin("")
	s.users.admin = t.addUser("admin@refbridge.example", "Administrator")
	s.users.integration = t.addUser(s.username(), "Integration")
	s.users.coordinator = t.addUser("coordinator@refbridge.example", "Coordinator")
	t.user = s.users.admin
	t.raw("RecordType", map[string]any{"Name": "Person Account", "DeveloperName": "PersonAccount", "SobjectType": "Account", "IsPersonType": true, "IsActive": true})
	t.raw("RecordType", map[string]any{"Name": "Business", "DeveloperName": "Business_Account", "SobjectType": "Account", "IsPersonType": false, "IsActive": true})
	for i, status := range statusCategories(s.schema) {
		t.raw("ServiceAppointmentStatus", map[string]any{"ApiName": status[0], "MasterLabel": status[0], "StatusCode": status[1],
			"IsDefault": i == 0, "SortOrder": float64(i + 1)})
	}
	if s.options.People == 0 && len(s.options.ExtraPeople) == 0 {
		return nil
	}
	for n := range s.options.People {
		if n%37 == 36 {
			continue
		}
		if err := s.addPerson(n); err != nil {
			return err
		}
	}
	for _, n := range s.options.ExtraPeople {
		if err := s.addPerson(n); err != nil && !errors.Is(err, ErrPersonExists) {
			return err
		}
	}
	return nil
}

func (t *tx) addUser(username, name string) string {
	return t.raw("User", map[string]any{"Username": username, "Name": name, "LastName": name, "Email": username, "IsActive": true})
}

// raw stores a row that no client may write.
func (t *tx) raw(object string, values map[string]any) string {
	o := t.s.schema.object(object)
	if o == nil {
		return ""
	}
	n := t.s.store.number(o)
	r := &row{id: newID(o.Prefix, t.s.store.instance, n), seq: n, object: o, values: values}
	t.stamp(values, true)
	t.add(r)
	return r.id
}
