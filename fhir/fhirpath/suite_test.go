package fhirpath

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

// The official suite of FHIR R4 (https://github.com/FHIR/fhir-test-cases, r4/fhirpath), read from beside the repository.
const (
	suiteFolder = "../../../shared/conformance/fhirpath-r4"
	mustBeRight = 650
)

type suiteTest struct {
	Name       string `xml:"name,attr"`
	Input      string `xml:"inputfile,attr"`
	Predicate  bool   `xml:"predicate,attr"`
	Ordered    string `xml:"ordered,attr"`
	Expression struct {
		Text    string `xml:",chardata"`
		Invalid string `xml:"invalid,attr"`
	} `xml:"expression"`
	Output []suiteOutput `xml:"output"`
}

type suiteOutput struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

type verdict string

const (
	right   verdict = "right"
	refused verdict = "refused"
	wrong   verdict = "wrong"
)

func TestOfficialSuite(t *testing.T) {
	tests := readSuite(t)
	inputs := map[string]fhir.Node{"": {}}
	count := map[verdict]int{}
	for _, test := range tests {
		if _, known := inputs[test.Input]; !known {
			inputs[test.Input] = readInput(t, test.Input)
		}
		v, why := test.judge(inputs[test.Input])
		count[v]++
		if v != right {
			t.Logf("%s %s: %s\n\t%s", v, test.Name, strings.TrimSpace(test.Expression.Text), why)
		}
	}
	fmt.Printf("right %d refused %d wrong %d\n", count[right], count[refused], count[wrong])
	require.Zero(t, count[wrong], "wrong answers")
	require.GreaterOrEqual(t, count[right], mustBeRight, "right answers")
}

func readSuite(t *testing.T) []suiteTest {
	b, err := os.ReadFile(filepath.Join(suiteFolder, "tests-fhir-r4.xml"))
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("the official FHIRPath suite must be beside the repository in CI: %v", err)
	}
	if err != nil {
		t.Skip("the official FHIRPath suite is not here: ../shared/conformance/fhirpath-r4 beside the repository")
	}
	var suite struct {
		Tests []suiteTest `xml:"group>test"`
	}
	require.NoError(t, xml.Unmarshal(b, &suite))
	require.Greater(t, len(suite.Tests), 900, "the suite as it was published has 935 tests")
	return suite.Tests
}

func readInput(t *testing.T, name string) fhir.Node {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(suiteFolder, strings.TrimSuffix(name, ".xml")+suffixFor(name)))
	require.NoError(t, err)
	r, err := fhir.Parse(b)
	require.NoError(t, err)
	return r.Root()
}

// suffixFor: the inputs that the suite gives as XML stand beside it as JSON.
func suffixFor(name string) string {
	if strings.HasSuffix(name, ".xml") {
		return ".json"
	}
	return ""
}

func (s suiteTest) judge(input fhir.Node) (verdict, string) {
	expr, err := Compile(s.Expression.Text)
	if err != nil {
		if s.Expression.Invalid != "" {
			return right, ""
		}
		return refused, err.Error()
	}
	now := time.Date(2026, 3, 1, 12, 30, 15, 0, time.UTC)
	got, err := expr.Eval(&Context{Resource: input, Now: now}, input)
	steps, stepErr := expr.Eval(&Context{Resource: input, Now: now, Seen: func(fhir.Node) {}}, input)
	if (err == nil) != (stepErr == nil) || describe(got) != describe(steps) {
		return wrong, fmt.Sprintf("a walk gives %s, step by step it is %s", describe(got), describe(steps))
	}
	switch {
	case s.Expression.Invalid != "" && err == nil:
		return wrong, fmt.Sprintf("accepted, gives %s", describe(got))
	case s.Expression.Invalid != "":
		return right, ""
	case err != nil:
		return wrong, err.Error()
	case s.Predicate:
		got = Collection{booleanItem(holds(got))}
	}
	if !s.agrees(got) {
		return wrong, fmt.Sprintf("gives %s, not %v", describe(got), s.Output)
	}
	return right, ""
}

func holds(c Collection) bool {
	if len(c) == 1 {
		if b, ok := c[0].Bool(); ok {
			return b
		}
	}
	return len(c) > 0
}

func describe(c Collection) string {
	var parts []string
	for _, i := range c {
		parts = append(parts, i.Type()+" "+i.Text())
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func (s suiteTest) agrees(got Collection) bool {
	if len(got) != len(s.Output) {
		return false
	}
	left := append(Collection(nil), got...)
	for i, want := range s.Output {
		at := i
		if s.Ordered == "false" {
			for at = 0; at < len(left)-1 && !want.agrees(left[at]); at++ {
			}
		}
		if !want.agrees(left[at]) {
			return false
		}
		if s.Ordered == "false" {
			left = append(left[:at], left[at+1:]...)
		}
	}
	return true
}

func (o suiteOutput) agrees(got Item) bool {
	_, typ, _ := strings.Cut(got.Type(), ".")
	if o.Type != "" && !strings.EqualFold(o.Type, typ) {
		return false
	}
	want := strings.TrimPrefix(o.Text, "@")
	if v := got.value(); v.kind == timeKind {
		want = strings.TrimPrefix(want, "T")
	}
	if want == got.Text() {
		return true
	}
	a, okA := parseDecimal(want)
	b, okB := parseDecimal(got.Text())
	return okA && okB && got.value().number() && a.cmp(b) == 0 && (a.scale == b.scale || o.Type == "decimal")
}
