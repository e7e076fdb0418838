package mapping

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
)

// A transform turns what a path gave into what a field takes. The list is closed: a table names a transform, it
// cannot write one. Each is documented with an example in docs/tables.md.
type Transform struct {
	Name    string
	Text    string // as written: truncate(255, hold)
	End     bool   // it reads a date as the end of a period: utc(end)
	seconds bool   // utc(seconds): a text, as a time is written to the millisecond
	Part    bool   // a month or a year alone stands as it is: date(partial)
	times   bool   // it works on dates and times
	takes   string // FHIR type of the structures that it works on (FHIR.Coding), or anything; empty: it works on texts
	apply   func(*Mapper, fhirpath.Collection) (fhirpath.Collection, *trouble)
	single  func(*Mapper, string) (string, *trouble) // the same for a single text; nil where it works on more than texts
}

// trouble is a fault that does not know its place yet.
type trouble struct {
	kind          FaultKind
	message, hint string
}

// anything is what a transform takes that works on texts and on structures of any type.
const anything = "anything"

// fits tells whether the transform can work on an item. What it cannot work on is held: it would become nothing, and nothing
// empties the field. The type of an element that R4 does not know is left open.
func (t *Transform) fits(i fhirpath.Item) bool {
	switch {
	case t.takes == anything:
		return true
	case i.Primitive():
		return t.takes == "" || t.takes == "FHIR.Reference"
	case t.takes == "":
		return false
	}
	typ := i.Type()
	return typ == t.takes || typ == "FHIR.Element"
}

// unfit is the trouble with what a transform cannot work on.
func (t *Transform) unfit() *trouble {
	switch takes := strings.TrimPrefix(t.takes, "FHIR."); takes {
	case "":
		return &trouble{BadValue, fmt.Sprintf("%s takes a text, the source gives a structure", t.Name), "take a part of it, or write transform: text first"}
	case "Reference":
		return &trouble{BadValue, fmt.Sprintf("%s takes a Reference or a text, the source gives another structure", t.Name), ""}
	default:
		return &trouble{BadValue, fmt.Sprintf("%s takes a %s, the source gives something else", t.Name, takes), ""}
	}
}

func badValue(format string, args ...any) *trouble {
	return &trouble{kind: BadValue, message: fmt.Sprintf(format, args...)}
}

// TransformNames gives the names of all transforms.
func TransformNames() []string {
	return []string{"utc", "date", "nhsNumber", "patientKey", "truncate", "codingKey", "conceptKey", "hash", "referenceId",
		"humanName", "current", "contact", "phone", "upper", "lower", "text"}
}

// newTransform gives a transform by name; the error is for the author of the table.
func newTransform(name string, args []string) (Transform, error) {
	t := Transform{Name: name}
	switch name {
	case "truncate":
		return truncateTransform(args)
	case "utc":
		return utcTransform(args)
	case "date":
		return dateTransform(args)
	case "nhsNumber":
		return nhsNumberTransform(args)
	case "hash":
		return hashTransform(args)
	case "humanName":
		return humanNameTransform(args)
	case "referenceId":
		if len(args) != 1 {
			return t, fmt.Errorf("referenceId takes a resource type, for example referenceId(ServiceRequest)")
		}
		if !fhirpath.IsResourceType(args[0]) {
			return t, fmt.Errorf("%q is no resource type of R4: %s", Short(args[0]),
				cmp.Or(Nearest(args[0], fhirpath.ResourceTypes()), "for example referenceId(ServiceRequest)"))
		}
		t.takes = "FHIR.Reference"
		t.apply = func(m *Mapper, in fhirpath.Collection) (fhirpath.Collection, *trouble) {
			return m.referenceIDs(in, args[0])
		}
		return t, nil
	}
	if len(args) != 0 {
		return t, fmt.Errorf("%s takes nothing in brackets", name)
	}
	switch name {
	case "patientKey":
		t.apply = (*Mapper).patientKey
	case "codingKey":
		t.takes, t.apply = "FHIR.Coding", codingKey
	case "conceptKey":
		t.takes, t.apply = "FHIR.CodeableConcept", conceptKey
	case "current":
		t.takes, t.apply = anything, current
	case "contact":
		t.takes, t.apply = "FHIR.ContactPoint", contact
	case "phone":
		t.each(sure((*Mapper).phone))
	case "upper":
		t.each(sure((*Mapper).upper))
	case "lower":
		t.each(sure((*Mapper).lower))
	case "text":
		t.takes, t.apply = anything, readable
	default:
		return t, fmt.Errorf("there is no transform %q", Short(name))
	}
	return t, nil
}

// each makes a transform of a function of one text; what it gives nothing for is left out.
func (t *Transform) each(f func(*Mapper, string) (string, *trouble)) {
	t.single = f
	t.apply = func(m *Mapper, in fhirpath.Collection) (fhirpath.Collection, *trouble) {
		var out fhirpath.Collection
		for _, item := range in {
			s, trouble := f(m, item.Text())
			if trouble != nil {
				return nil, trouble
			}
			out = append(out, m.one(s)...)
		}
		return out, nil
	}
}

// sure is a function that always has an answer.
func sure(f func(*Mapper, string) string) func(*Mapper, string) (string, *trouble) {
	return func(m *Mapper, s string) (string, *trouble) { return f(m, s), nil }
}

// nhsNumberTransform: nhsNumber holds what is no valid number; nhsNumber(none) gives nothing for it.
func nhsNumberTransform(args []string) (Transform, error) {
	t := Transform{Name: "nhsNumber", apply: nhsNumber}
	switch {
	case len(args) == 0, len(args) == 1 && args[0] == "hold":
		return t, nil
	case len(args) == 1 && args[0] == "none":
		t.apply = func(m *Mapper, in fhirpath.Collection) (fhirpath.Collection, *trouble) {
			out, _ := nhsNumber(m, in)
			return out, nil
		}
		return t, nil
	}
	return t, fmt.Errorf("nhsNumber takes hold or none, for example nhsNumber(none)")
}

// nhsNumber gives the ten digits of a valid number. Several items must be the same number: two numbers for one
// patient are never settled by guessing.
func nhsNumber(m *Mapper, in fhirpath.Collection) (fhirpath.Collection, *trouble) {
	var found string
	for _, item := range in {
		n, err := fhir.ParseNHSNumber(item.Text())
		if err != nil {
			return nil, &trouble{kind: PatientIdentity, message: err.Error(), hint: "put the number right at the source"}
		}
		if found != "" && found != n.Reveal() {
			return nil, &trouble{kind: PatientIdentity, message: "two different NHS numbers for one patient",
				hint: "put the wrong one right at the source"}
		}
		found = n.Reveal()
	}
	return m.one(found), nil
}

func (m *Mapper) patientKey(in fhirpath.Collection) (fhirpath.Collection, *trouble) {
	digits, t := nhsNumber(m, in)
	if t != nil || len(digits) == 0 {
		return nil, t
	}
	if m.set.patientKey == nil {
		return nil, &trouble{kind: TableFault, message: "patients cannot be created: no key for their accounts is configured",
			hint: "configure the patient key, or use patientMode link"}
	}
	n, err := fhir.ParseNHSNumber(digits[0].Text())
	if err != nil {
		return nil, &trouble{kind: PatientIdentity, message: err.Error()}
	}
	return m.one("pt." + m.set.patientKey(n)), nil
}

// codingKey is the first 40 hexadecimal digits of SHA-256 of system|version|code: CodeSetKey ignores case, codes do not.
func codingKey(_ *Mapper, in fhirpath.Collection) (fhirpath.Collection, *trouble) {
	var out fhirpath.Collection
	for _, item := range in {
		if s := codingText(item.Node()); s != "" {
			out = append(out, fhirpath.StringItem(digest(s, 40)))
		}
	}
	return out, nil
}

// maxCodings is how many codings a CodeSetBundle holds (CodeSet1Id to CodeSet15Id).
const maxCodings = 15

// conceptKey is the same over the sorted codings of a CodeableConcept, a line each. A concept without a code has
// no key: its text may be about a person, and code records are shared by all patients.
func conceptKey(_ *Mapper, in fhirpath.Collection) (fhirpath.Collection, *trouble) {
	var out fhirpath.Collection
	for _, item := range in {
		var codings []string
		for c := range item.Node().Get("coding").Items() {
			if s := codingText(c); s != "" {
				codings = append(codings, s)
			}
		}
		if len(codings) > maxCodings {
			return nil, badValue("a concept has %d codings, a CodeSetBundle holds %d", len(codings), maxCodings)
		}
		if len(codings) > 0 {
			slices.Sort(codings)
			out = append(out, fhirpath.StringItem(digest(strings.Join(slices.Compact(codings), "\n"), 40)))
		}
	}
	return out, nil
}

func codingText(n fhir.Node) string {
	code := n.Get("code").Text()
	if code == "" {
		return ""
	}
	return n.Get("system").Text() + "|" + n.Get("version").Text() + "|" + code
}

func digest(s string, n int) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:n]
}

// hashTransform: hash(n) gives the first n hexadecimal digits of SHA-256, for keys of parts that have no id.
func hashTransform(args []string) (Transform, error) {
	t := Transform{Name: "hash"}
	if len(args) != 1 {
		return t, fmt.Errorf("hash takes a number of digits, for example hash(12)")
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 8 || n > 64 {
		return t, fmt.Errorf("hash takes 8 to 64 digits")
	}
	t.each(sure(func(_ *Mapper, s string) string { return digest(s, n) }))
	return t, nil
}

// truncateTransform: truncate(n) holds what is longer than n, truncate(n, cut) cuts it. TextLength says how
// lengths are counted.
func truncateTransform(args []string) (Transform, error) {
	t := Transform{Name: "truncate"}
	if len(args) == 0 || len(args) > 2 || len(args) == 2 && args[1] != "hold" && args[1] != "cut" {
		return t, fmt.Errorf("truncate takes a length and hold or cut, for example truncate(255, hold)")
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 || n > 131072 {
		return t, fmt.Errorf("truncate takes a length from 1 to 131072")
	}
	if len(args) == 2 && args[1] == "cut" {
		t.each(sure(func(_ *Mapper, s string) string { return cut(s, n) }))
		return t, nil
	}
	t.apply = func(_ *Mapper, in fhirpath.Collection) (fhirpath.Collection, *trouble) {
		for _, item := range in {
			if l := TextLength(item.Text()); l > n {
				return nil, tooLong(l, n)
			}
		}
		return in, nil
	}
	return t, nil
}

func tooLong(have, limit int) *trouble {
	return &trouble{kind: TooLong, message: fmt.Sprintf("the text has %d characters, the field takes %d", have, limit),
		hint: fmt.Sprintf("shorten it at the source, lengthen the field, or write truncate(%d, cut)", limit)}
}

// TextLength gives the length of a text as Salesforce counts it: in UTF-16 units, so that a character outside the Basic Multilingual
// Plane, such as 😀, counts twice. No limit of a field is compared with any other length.
func TextLength(s string) int {
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

func cut(s string, limit int) string {
	n := 0
	for i, r := range s {
		if n += max(utf16.RuneLen(r), 1); n > limit {
			return s[:i]
		}
	}
	return s
}

// phone strips spaces, hyphens, brackets and tel:, and writes a British number from its 0. What follows the number (an extension)
// stays as it is written, after a space; a text that is no number (1-800-FLOWERS, 801XXXXX89) stays whole.
func (m *Mapper) phone(s string) string {
	s = strings.TrimPrefix(strings.TrimLeft(s, " "), "tel:")
	end := numberEnd(s)
	if end == 0 {
		return s
	}
	from := len(m.texts)
	m.texts = append(m.texts, '0') // of a British number
	for i := 0; i < end; i++ {
		switch c := s[i]; {
		case c == '(' && strings.HasPrefix(s[i:], "(0)"):
			i += len("(0)") - 1
		case c == ' ', c == '-', c == '(', c == ')':
		default:
			m.texts = append(m.texts, c)
		}
	}
	number, begin := m.computed(from+1), from+1
	national, british := strings.CutPrefix(number, "+44")
	if !british {
		national, british = strings.CutPrefix(number, "0044")
	}
	if british {
		m.texts = append(m.texts[:from+1], strings.TrimPrefix(national, "0")...) // moves within the same memory, towards its beginning
		begin = from
	}
	if end < len(s) {
		m.texts = append(append(m.texts, ' '), strings.TrimLeft(s[end:], ";, ")...)
	}
	return m.computed(begin)
}

// numberEnd returns where a telephone number ends: at the end of the text, or before an extension, which is a mark and up to seven
// digits behind a number of seven or more: x5, ext. 5, #5, ;ext=5. It is 0 where anything else stands there.
func numberEnd(s string) int {
	end, digits := 0, 0
	for ; end < len(s); end++ {
		c := s[end]
		if isLetter(c) || c == '#' || c == ';' || c == ',' {
			break
		}
		if isDigit(c) {
			digits++
		}
	}
	if end == len(s) {
		return end
	}
	mark := strings.TrimLeft(s[end:], "#;, ")
	extension := strings.TrimLeftFunc(mark, func(r rune) bool { return r < utf8.RuneSelf && isLetter(byte(r)) })
	mark = mark[:len(mark)-len(extension)]
	extension = strings.TrimLeft(extension, " .:=#")
	known := slices.ContainsFunc([]string{"", "x", "ext", "extn", "extension"}, func(m string) bool { return strings.EqualFold(m, mark) })
	if !known || digits < 7 || extension == "" || len(extension) > 7 || strings.Trim(extension, "0123456789") != "" {
		return 0
	}
	return end
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// upper and lower change the letters of a text.
func (m *Mapper) upper(s string) string { return m.letters(s, 'a', 'z', strings.ToUpper) }
func (m *Mapper) lower(s string) string { return m.letters(s, 'A', 'Z', strings.ToLower) }

// letters changes the case of the letters between two others; texts beyond ASCII go to change.
func (m *Mapper) letters(s string, low, high byte, change func(string) string) string {
	found := false
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return change(s)
		}
		found = found || s[i] >= low && s[i] <= high
	}
	if !found {
		return s
	}
	from := len(m.texts)
	for i := range len(s) {
		c := s[i]
		if c >= low && c <= high {
			c ^= 'a' - 'A'
		}
		m.texts = append(m.texts, c)
	}
	return m.computed(from)
}
