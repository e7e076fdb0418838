package fhirpath_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir/fhirpath"
)

// mappingExpressions are typical right sides of a mapping table.
func mappingExpressions() []string {
	return []string{
		`id`,
		`subject.resolve().identifier.where(system='https://fhir.nhs.uk/Id/nhs-number').value.first()`,
		`extension('https://fhir.nhs.uk/StructureDefinition/Extension-eRS-ReferralState').extension('state').value.code`,
		`occurrence.start`,
		`category.coding.exists(system = 'b')`,
		`contained.ofType(Patient).name.where(use = 'usual').family`,
		`iif(priority = 'urgent', 'Urgent', 'Routine')`,
		`status = 'active' and intent = 'order'`,
	}
}

func compileAll(t testing.TB) []*fhirpath.Expr {
	var out []*fhirpath.Expr
	for _, src := range mappingExpressions() {
		e, err := fhirpath.Compile(src)
		require.NoError(t, err)
		out = append(out, e)
	}
	return out
}

func TestPathsAndFiltersAllocateNothingOnceWarm(t *testing.T) {
	on := focus(t, request)
	c := &fhirpath.Context{Resource: on}
	for _, e := range compileAll(t) {
		allocs := testing.AllocsPerRun(100, func() {
			c.Reset()
			if got, err := e.Eval(c, on); err != nil || len(got) == 0 {
				t.Errorf("%s: %v, %v", e, got, err)
			}
		})
		assert.Zero(t, allocs, e.String())
	}
}

func BenchmarkEval(b *testing.B) {
	on := focus(b, request)
	c := &fhirpath.Context{Resource: on}
	for _, e := range compileAll(b) {
		b.Run(e.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Reset()
				if _, err := e.Eval(c, on); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := fhirpath.Compile(mappingExpressions()[1]); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzCompileAndEval(f *testing.F) {
	for _, src := range append(mappingExpressions(), `@2014-01-01T08:05+08:00.lowBoundary(17)`, `name.given[0] | 'x'`, `{}`,
		`(1.2 / 1.8).round(2) != 0.67`, `descendants().where($this is Coding)`, `repeat(item).aggregate($total + 1, 0)`,
		"2 + 2 /* x */ // y", `4 'g' ~ 4000 'mg'`, `%resource.contained.id`, `'a\u0041\''.replace('', 'x')`, `1e5`, "`name`.is(FHIR.`string`)",
		`(3|1|2).sort(-$this)`, `9999999.power(64).power(64)`, `@9999-12-31 + 100000000 years`) {
		f.Add(src)
	}
	for _, src := range []string{`name.family + 1`, `descendants().toInteger() + 'x'`, `note.text.single()`, `birthDate > 5`, `name.family.toDate() - 1 'x'`,
		`descendants().sort()`, `name.given[name.family]`, `iif(name.family, 1)`} {
		f.Add(src)
	}
	markers := []string{"Okafor", "9990000018", "1961-04", "C7654321", "Second"}
	on := focus(f, request)
	c := &fhirpath.Context{Resource: on}
	f.Fuzz(func(t *testing.T, src string) {
		e, err := fhirpath.Compile(src)
		if err != nil {
			var refusal *fhirpath.Error
			require.ErrorAs(t, err, &refusal)
			require.Positive(t, refusal.Line)
			require.Positive(t, refusal.Column)
			return
		}
		c.Reset()
		got, err := e.Eval(c, on)
		require.True(t, err == nil || got == nil)
		for _, marker := range markers {
			require.False(t, err != nil && strings.Contains(err.Error(), marker) && !strings.Contains(src, marker), "%s of the resource stands in %v", marker, err)
		}
		for _, i := range got {
			_, _ = i.Text(), i.Type()
		}
	})
}
