package mapping

import (
	"regexp"
	"time"
	_ "time/tzdata" // the zone of partial dates must not depend on the machine

	"refbridge/fhir/fhirpath"
	"refbridge/sfdc/sobject"
)

// zoneName is where a date without a time happened: NHS services run on British time.
const zoneName = "Europe/London"

// minYear is the first year that a Salesforce dateTime takes (Salesforce Help, "Valid Date and Datetime").
const minYear = 1700

var fullDate = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

// utc gives instants as RFC 3339 in UTC. R4 lets a dateTime stop at the day, month or year: such a one becomes its first
// moment in Europe/London, so 2026-06-15 gives 2026-06-14T23:00:00Z.
func (m *mapper) utc(in fhirpath.Collection) (fhirpath.Collection, *trouble) {
	var out fhirpath.Collection
	for _, item := range in {
		at, ok := instant(item.Text(), m.set.zone)
		if !ok {
			return nil, badValue("a text of %d characters is not a FHIR dateTime", len(item.Text()))
		}
		if at.Year() < minYear {
			return nil, badValue("the year %d is before %d, the first that Salesforce takes", at.Year(), minYear)
		}
		out = append(out, fhirpath.StringItem(at.UTC().Format(time.RFC3339Nano)))
	}
	return out, nil
}

func instant(s string, zone *time.Location) (time.Time, bool) {
	if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return at, true
	}
	for _, layout := range []string{"2006-01-02", "2006-01", "2006"} {
		if at, err := time.ParseInLocation(layout, s, zone); err == nil && len(s) == len(layout) {
			return at, true
		}
	}
	return time.Time{}, false
}

// date gives a day: of a full date as it stands, of an instant as it is in Europe/London. A partial date has no day
// and gives nothing.
func (m *mapper) date(in fhirpath.Collection) (fhirpath.Collection, *trouble) {
	var out fhirpath.Collection
	for _, item := range in {
		text := item.Text()
		at, ok := instant(text, m.set.zone)
		switch {
		case !ok:
			return nil, badValue("a text of %d characters is not a FHIR date", len(text))
		case len(text) < len("2006-01-02"):
			continue
		}
		out = append(out, fhirpath.StringItem(at.In(m.set.zone).Format(time.DateOnly)))
	}
	return out, nil
}

// typed gives the value of a text that the last transform made an instant or a day.
func typed(kind sobject.Kind, text string) (sobject.Value, bool) {
	switch kind {
	case sobject.DateTime:
		at, err := time.Parse(time.RFC3339Nano, text)
		return sobject.DateTimeValue(at), err == nil
	case sobject.Date:
		return sobject.DateValue(text), fullDate.MatchString(text)
	}
	return sobject.TextValue(text), true
}
