package fhirpath

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func compiled(t *testing.T, src string) *Expr {
	t.Helper()
	e, err := Compile(src, "source", "part", "st")
	require.NoError(t, err, src)
	return e
}

func TestAnOutlineNamesWhatAnExpressionComparesWithATextOfItsOwn(t *testing.T) {
	for src, want := range map[string]string{
		`status = 'active'`: "status active 10",
		`'a' != status`:     "status a 1",
		`status in ('active' | 'draft') and intent ~ 'plan'`:                    "status active 12; status draft 23; intent plan 45",
		`('x' | 'y') contains status`:                                           "status x 2; status y 8",
		`identifier.where(use = 'old' and system = 'u').value`:                  "identifier.use old 24; identifier.system u 43",
		`iif(status = 'a', 'b', 'c')`:                                           "status a 14",
		`name.first().select(use = 'usual')`:                                    "name.use usual 27",
		`name.exists($this.use = 'usual')`:                                      "name.use usual 25",
		`value.ofType(code) = 'x'`:                                              "value.ofType(code) x 22",
		`%st = 'a' or %resource.status = 'b'`:                                   "%st a 7; %resource.status b 33",
		`code.text.upper() = 'X' or status = intent or (code | category) = 'x'`: "",
		`ServiceRequest.status = 'a'`:                                           "ServiceRequest.status a 25",
		`status.where($this = 'a').exists() and (status) = 'b'`:                 "status a 22; status b 51",
		`subject.resolve().gender = 'x' or identifier[0].use = 'official'`:      "identifier.use official 55",
	} {
		var got []string
		for _, c := range compiled(t, src).Comparisons() {
			got = append(got, fmt.Sprintf("%s %s %d", c.Path, c.With.Text, c.With.Column))
		}
		assert.Equal(t, want, strings.Join(got, "; "), src)
	}
}

func TestAnOutlineNamesWhatMayBeNothingBesideAnAmpersand(t *testing.T) {
	for src, want := range map[string]string{
		`%source & '.sr.' & id`: "%source 1; id 20",
		`%source + '.sr.' + id`: "",
		`('a' & id)`:            "id 8",
		`iif(id.exists(), 'x', 'y') & 'z' & id.count()`: "",
		`iif(id.exists(), 'x') & 'z'`:                   "iif(id.exists(), 'x') 1",
		`identifier.where(system & value = 'x').value`:  "",
		`basedOn.select(%source & '.' & $this.id)`:      "%source 16; $this.id 32",
	} {
		var got []string
		for _, p := range compiled(t, src).Blanks() {
			got = append(got, fmt.Sprintf("%s %d", p.Text, p.Column))
		}
		assert.Equal(t, want, strings.Join(got, "; "), src)
	}
	assert.True(t, compiled(t, `system & '|' & value`).Gives())
	assert.False(t, compiled(t, `system + '|' + value`).Gives())
}

func TestAnOutlineNamesTheWaysToWhatAnExpressionGives(t *testing.T) {
	for src, want := range map[string]string{
		`comment`:                               "comment",
		`ServiceRequest.note[0].text`:           "note first() text",
		`extension('u').value`:                  "extension where(url = 'u') value",
		`extension.where( url='u' )`:            "extension where(url = 'u')",
		`(code | category).text`:                "code text; category text",
		`iif(status = 'x', note.text, comment)`: "note text; comment",
		`%part & '.' & id`:                      "%part; id",
		`occurrence as Period`:                  "occurrence ofType(Period)",
		`note.select(text + author)`:            "note text; note author",
		`status = 'active'`:                     "",
		`note.exists()`:                         "",
		`note.text.join('; ').upper()`:          "note text join('; ') upper()",
	} {
		var got []string
		for _, way := range compiled(t, src).Routes() {
			got = append(got, strings.Join(way, " "))
		}
		assert.Equal(t, want, strings.Join(got, "; "), src)
	}
	deep := "extension" + strings.Repeat(".select(extension | extension)", 20)
	assert.LessOrEqual(t, len(compiled(t, deep).Routes()), maxRoutes)
}

func TestAnOutlineNamesExtensionsAndWhatIsReadOfThem(t *testing.T) {
	for src, want := range map[string]string{
		`extension('u').extension('p').value`:                   "u 11; u p 26; u p value 31",
		`extension.where(url = 'u' and id.exists()).value.code`: "u 23; u value 44",
		`extension.exists(url='u')`:                             "u 22",
		`%st.extension('p').value.ofType(string)`:               "%st p 15; %st p value 20; %st p ofType(string) 33",
		`%st.value as Coding`:                                   "%st value 5; %st ofType(Coding) 11",
		`note.where(extension('u').exists()).text`:              "u 22",
		`code.coding.value | identifier.where(url='x').value`:   "",
		`extension('u').first().extension.where(url = 'p')`:     "u 11; u p 46",
		`extension('u').select(extension('p').value)`:           "u 11; u p 33; u p value 38",
	} {
		var got []string
		for _, e := range compiled(t, src).Extensions() {
			way := strings.Join(append(append([]string{"%" + e.Variable}, e.URLs...), e.Step), " ")
			got = append(got, fmt.Sprintf("%s %d", strings.TrimSpace(strings.TrimPrefix(way, "% ")), e.At.Column))
		}
		assert.Equal(t, want, strings.Join(got, "; "), src)
	}
}

func TestAnOutlineNamesTheTextsThatAnExpressionCanGive(t *testing.T) {
	for src, want := range map[string]string{
		`'a'`: "a only", `iif(active, 'a', iif(id = 'x', 'b', {}))`: "a b only", `('a' | 'b')`: "a b only",
		`iif(active, 'a', status)`: "a", `status = 'a'`: "", `'a' & id`: "", `status`: "",
	} {
		texts, only := compiled(t, src).Texts()
		var got []string
		for _, p := range texts {
			got = append(got, p.Text)
		}
		if only {
			got = append(got, "only")
		}
		assert.Equal(t, want, strings.Join(got, " "), src)
	}
}

func TestALiteralIsATextAndNothingElse(t *testing.T) {
	for src, want := range map[string]string{`'a'`: "a", ` ( 'a' )`: "a", `'it\'s'`: "it's", `''`: "", `'a' & 'b'`: "no", `'a' | 'b'`: "no", `1`: "no", `status`: "no"} {
		text, is := compiled(t, src).Literal()
		assert.Equal(t, want != "no", is, src)
		assert.Equal(t, strings.TrimPrefix(want, "no"), text, src)
	}
}

func TestAnExpressionThatReadsNothingIsKnownBeforeAnyData(t *testing.T) {
	for src, want := range map[string][2]bool{
		`1 = 2`: {false, true}, `'a' = 'a'`: {true, true}, `true and false`: {false, true}, `{}`: {false, true}, `1`: {true, true},
		`id = id`: {}, `today() > @2020-01-01`: {}, `%source = 'a'`: {},
	} {
		holds, known := compiled(t, src).Always()
		assert.Equal(t, want, [2]bool{holds, known}, src)
	}
	assert.Equal(t, compiled(t, `status='a'  and ( id.exists() )`).Spelling(), compiled(t, `status = 'a' and (id.exists())`).Spelling())
}

func TestTheTypeOfWhatAnExpressionGives(t *testing.T) {
	for src, want := range map[string]string{
		"ServiceRequest.code": "CodeableConcept", "ServiceRequest.status": "code", "Patient.name.first().given": "string", "'a'": "System.String",
		"ServiceRequest.occurrence": "", "ServiceRequest.select(%source)": "", "ServiceRequest.code.exists()": "System.Boolean",
	} {
		assert.Equal(t, want, compiled(t, src).Known().Type(), src)
	}
}

func TestWhatIsKnownOfWhatAnExpressionGives(t *testing.T) {
	values := map[string]Known{"text": KnownAs("System.String"), "number": KnownAs("Identifier"), "nothing": KnownAs("Nonsense")}
	scope := Scope{Focus: KnownAs("Patient"), Variables: []string{"text", "number", "nothing"}, Values: values}
	for src, want := range map[string]string{
		"gender":                              "Patient.gender code",
		"gender.where($this != 'male')":       " code",
		"(gender)":                            "Patient.gender code",
		"name.first().use":                    "HumanName.use code",
		"name.given":                          "HumanName.given string, several name",
		"name.first().given":                  "HumanName.given string, several given",
		"name[0].family":                      "HumanName.family string",
		"name.where(use = 'usual').family":    "HumanName.family string",
		"name.exists(given.first().exists())": " System.Boolean",
		"name.select(family)":                 "HumanName.family string, several name",
		"name.given.join(' ')":                " System.String",
		"name.distinct().family":              "HumanName.family string, several name",
		"contact.single().telecom.value":      "ContactPoint.value string, several telecom",
		"deceased.ofType(boolean)":            " boolean",
		"multipleBirth":                       "Patient.multipleBirth ",
		"name.text | name.family":             " , several name",
		"generalPractitioner.resolve().ofType(Patient).gender": "Patient.gender code",
		"%number.use": "Identifier.use code",
		"%text":       " System.String",
		"%nothing":    " ",
	} {
		expr, err := scope.Compile(src)
		require.NoError(t, err, src)
		got := expr.Known().Element() + " " + expr.Known().Type()
		if many := expr.Known().Many(); many != "" {
			got += ", several " + many
		}
		assert.Equal(t, want, got, src)
	}
	expr, err := scope.Compile("%number.where(type.exists()).use = 'old' or gender = 'x'")
	require.NoError(t, err)
	compared := expr.Comparisons()
	require.Len(t, compared, 2)
	assert.Equal(t, "Identifier.use", compared[0].Element)
	assert.Equal(t, "Patient.gender", compared[1].Element)
}
