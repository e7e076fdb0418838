package fhir

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLiteralReferencesAreRead(t *testing.T) {
	for src, want := range map[string]Reference{
		"Patient/1": {Type: "Patient", ID: "1"},
		"ReferralRequest/000000070001/_history/5":       {Type: "ReferralRequest", ID: "000000070001", Version: "5"},
		"https://fhir.example.org/R4/Patient/a-b.c":     {Base: "https://fhir.example.org/R4", Type: "Patient", ID: "a-b.c"},
		"https://fhir.example.org/Patient/1/_history/2": {Base: "https://fhir.example.org", Type: "Patient", ID: "1", Version: "2"},
		"http://fhir.example.org:8080/a/b//Patient/1":   {Base: "http://fhir.example.org:8080/a/b", Type: "Patient", ID: "1"},
		"/Patient/1": {Type: "Patient", ID: "1"},
	} {
		got, err := ParseReference(src)
		require.NoError(t, err, src)
		assert.Equal(t, want, got, src)
	}
}

func TestOtherReferencesAreRefusedWithoutRepeatingThem(t *testing.T) {
	for _, src := range []string{
		"", "#p1", "Patient", "Patient/", "/1", "patient/1", "Patient/1/", "Patient/a b", "Patient/1?x=9990000018", "Patient/1#x", "Patient/1\n",
		"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a", "Patient/" + strings.Repeat("1", 65), "Patient/1/_history/", "_history/1", "Patient/_history/1",
		"Patient/1/_history/1/2", "Pa tient/1", "r4/Patient/1", "../Patient/1", "//host/Patient/1", "https:///Patient/1", "https://Patient/1", "ftp://h/Patient/1",
		"https://h/a?b/Patient/1", "https://h/a#b/Patient/1", "https://h\n/Patient/1", "?x/Patient/1", "Patient?identifier=https://fhir.nhs.uk/Id/nhs-number|9990000018",
	} {
		_, err := ParseReference(src)
		require.Error(t, err, "%q", src)
		assert.NotContains(t, err.Error(), "999")
	}
}

func TestReferencesAndETagsAreWrittenAsTheyAreRead(t *testing.T) {
	r := Reference{Type: "Patient", ID: "1", Version: "7"}
	assert.Equal(t, "Patient/1/_history/7", r.String())
	assert.Equal(t, "Patient/1", r.Current().String())
	assert.Equal(t, `W/"7"`, r.ETag())
	r.Base = "https://h/r4"
	assert.Equal(t, "https://h/r4/Patient/1/_history/7", r.String())
	assert.Equal(t, "https://h/r4/Patient/1", r.Current().String(), "another server's stays another server's")
	assert.Equal(t, "Patient/1", r.Current().Local().String())
	assert.Empty(t, r.Current().ETag())
	for etag, want := range map[string]string{
		`W/"7"`: "7", `"7"`: "7", `W/"a.b-c"`: "a.b-c", "": "", "7": "", `W/7`: "", `W/""`: "", `w/"7"`: "", `W/"7`: "", `"a b"`: "", `*`: "", `"7", "8"`: "",
	} {
		assert.Equal(t, want, VersionOfETag(etag), etag)
	}
}

func TestTwoBasesOfOneServerAreTheSame(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"https://h/r4", "https://h/r4", true},
		{"https://h/r4", "https://H/r4/", true},
		{"https://h/r4", "http://h/r4", true},
		{"https://h:443/r4", "https://h/r4", true},
		{"http://h:80", "http://h", true},
		{"https://h:80/r4", "https://h/r4", false},
		{"https://h/r4", "https://h/R4", false},
		{"https://h/r4", "https://h/r4/x", false},
		{"https://h/r4", "https://i/r4", false},
		{"", "", true},
		{"", "https://h", false},
		{"urn:x", "urn:y", false},
	} {
		assert.Equal(t, c.same, SameBase(c.a, c.b), "%s %s", c.a, c.b)
		assert.Equal(t, c.same, SameBase(c.b, c.a), "%s %s", c.b, c.a)
	}
}

func FuzzParseReference(f *testing.F) {
	for _, seed := range []string{"Patient/1", "Patient/1/_history/2", "https://h/Patient/1", "#x", "_history", "/", "urn:uuid:1", "A/./_history/.."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) {
		r, err := ParseReference(src)
		if err != nil {
			return
		}
		again, err := ParseReference(r.String())
		require.NoError(t, err)
		require.Equal(t, r, again)
		require.True(t, strings.HasSuffix(src, r.String()))
	})
}

func TestNHSNumbersOfTheTestRangeAreValid(t *testing.T) {
	for _, src := range []string{"9990000018", "9990000026", "9990000034", "9990000042", "9990000050", "9990000069", "9990000077", "9990000085", "9990000093",
		"999 000 0018", "999-000-0018", " 9990000018 "} {
		n, err := ParseNHSNumber(src)
		require.NoError(t, err, src)
		assert.True(t, n.IsTest())
		assert.False(t, n.IsZero())
		assert.Len(t, n.Reveal(), 10)
		assert.Equal(t, strings.NewReplacer(" ", "", "-", "").Replace(src), n.Reveal())
	}
}

func TestFinding_inputs_B3_WhatIsNoNHSNumberIsRefusedWithoutRepeatingIt(t *testing.T) {
	for src, want := range map[string]error{
		"": ErrNHSNumberMissing, "  ": ErrNHSNumberMissing, "-": ErrNHSNumberMissing,
		"999000001": ErrNHSNumberFormat, "99900000188": ErrNHSNumberFormat, "999000001x": ErrNHSNumberFormat, "x990000018": ErrNHSNumberFormat,
		"９９９０": ErrNHSNumberFormat, "999.000.0018": ErrNHSNumberFormat, "9990000\t18": ErrNHSNumberFormat,
		"9999999999": ErrNHSNumberPlaceholder, "000 000 0000": ErrNHSNumberPlaceholder, "111-111-1111": ErrNHSNumberPlaceholder,
		"5555555555": ErrNHSNumberPlaceholder,
		"9990000019": ErrNHSNumberCheck, "9990000017": ErrNHSNumberCheck, "9990000081": ErrNHSNumberCheck,
	} {
		n, err := ParseNHSNumber(src)
		assert.ErrorIs(t, err, want, "%q", src)
		assert.True(t, n.IsZero())
		if err != nil {
			assert.NotContains(t, err.Error(), "999")
		}
	}
}

// Where modulus 11 gives 10 there is no such number, whatever the last digit; elsewhere exactly one digit fits.
func TestACheckDigitOfTenMakesNoNumber(t *testing.T) {
	without := 0
	for nine := 999_000_000; nine < 999_001_000; nine++ {
		fits := 0
		for last := range 10 {
			if _, err := ParseNHSNumber(strconv.Itoa(nine) + strconv.Itoa(last)); err == nil {
				fits++
			}
		}
		sum := 0
		for i, c := range strconv.Itoa(nine) {
			sum += int(c-'0') * (10 - i)
		}
		want := 1
		if sum%11 == 1 {
			want = 0
			without++
		}
		require.Equal(t, want, fits, "%d", nine)
	}
	assert.InDelta(t, 1000/11, without, 3)
}

func FuzzParseNHSNumber(f *testing.F) {
	for _, seed := range []string{"9990000018", "999 000 0018", "", "9990000019", "abcdefghij"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) {
		n, err := ParseNHSNumber(src)
		require.Equal(t, err != nil, n.IsZero())
		if err == nil {
			require.Regexp(t, `^[0-9]{10}$`, n.Reveal())
		}
	})
}

func TestPrivateTextAndNHSNumbersDoNotPrintThemselves(t *testing.T) {
	const secret = "9990000018"
	number, err := ParseNHSNumber(secret)
	require.NoError(t, err)
	type record struct {
		Note     Private
		Number   NHSNumber
		Pointer  *Private
		Map      map[string]Private
		Any      any
		Slice    []NHSNumber
		Embedded struct{ Deep Private }
	}
	text := Private(secret)
	whole := record{Note: text, Number: number, Pointer: &text, Map: map[string]Private{"a": text}, Any: text, Slice: []NHSNumber{number}}
	whole.Embedded.Deep = text
	parameter := Parameter{Name: "comment", Text: text}
	var said strings.Builder
	for _, value := range []any{text, &text, number, &number, whole, &whole, parameter, []any{text, number}, Operation{Parameters: []Parameter{parameter}}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%10.3s", "%-20v"} {
			fmt.Fprintf(&said, verb+"\n", value)
		}
		fmt.Fprintln(&said, value, fmt.Errorf("wrapped: %v", value))
		b, err := json.Marshal(value)
		require.NoError(t, err)
		said.Write(b)
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "value", value, slog.Group("g", "value", value))
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "value", value)
		said.Write(log.Bytes())
	}
	type element struct{ Text Private }
	fmt.Fprintf(&said, "%v %d", map[Private]Private{text: text}, map[NHSNumber]int{number: 1})
	b, err := xml.Marshal(element{text})
	require.NoError(t, err)
	said.Write(b)
	for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), secret[:4], "57 57 57"} {
		assert.False(t, strings.Contains(said.String(), form), "%s is in what was printed", form)
	}
	assert.Equal(t, secret, text.Reveal())
	assert.Equal(t, secret, number.Reveal())
}
