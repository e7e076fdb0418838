package mapping

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

// leastOf returns the least that a whole number of FHIR R4 may be (datatypes.html#primitive); whole is false for other types.
func leastOf(typ string) (least float64, whole bool) {
	switch typ {
	case "positiveInt":
		return 1, true
	case "unsignedInt":
		return 0, true
	case "integer":
		return math.MinInt32, true
	}
	return 0, false
}

// shaped holds what is not of the FHIR type of its element, where that type is a whole number or a boolean: a text "true", 20.5 minutes.
// A whole number is written in one way, whatever the source wrote: 2e1 is 20.
func (m *Mapper) shaped(c *cell) *trouble {
	if c.from == nil || c.from.typ == "" || c.kind == sobject.Null || len(c.row.Transforms) > 0 {
		return nil
	}
	least, whole := leastOf(c.from.typ)
	switch {
	case c.from.typ == "boolean" && c.kind != sobject.Bool:
		return &trouble{BadValue, "the source gives something else where FHIR has true or false", "put it right at the source: true without quotes"}
	case !whole:
		return nil
	case c.kind != sobject.Number:
		return &trouble{BadValue, "the source gives something else where FHIR has a number", "put it right at the source: 20 without quotes"}
	}
	n, err := strconv.ParseFloat(c.text, 64)
	if err != nil || n != math.Trunc(n) || n < least || n > math.MaxInt32 {
		return &trouble{BadValue, fmt.Sprintf("the number is not a whole one from %.0f to %d, as FHIR has it (%s)", least, math.MaxInt32, c.from.typ),
			"put it right at the source"}
	}
	if strings.ContainsAny(c.text, ".eE") {
		from := len(m.texts)
		m.texts = strconv.AppendInt(m.texts, int64(n), 10)
		c.text, c.source, c.whole = m.computed(from), fhir.Node{}, false
	}
	return nil
}

// keepTexts brings the texts of a record into the form in which Salesforce keeps them, and holds what it does not take.
func (m *Mapper) keepTexts() {
	for i := range m.row {
		c := &m.row[i]
		if c.row == nil || c.kind != sobject.Text {
			continue
		}
		c.text = sobject.KeptText(c.text)
		if strings.ContainsFunc(c.text, unprintable) {
			before := len(m.faults)
			m.add(c.row.Place, c.from, c.row.Field, &trouble{BadValue, "the text has a control character", "take it out at the source"})
			m.locate(before, &c.source)
		}
	}
}

// unprintable are the control characters that no text of a record has.
func unprintable(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f }
