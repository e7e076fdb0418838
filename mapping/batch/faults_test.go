package batch

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/mapping"
)

func setOf(t *testing.T, rows string) *mapping.Set {
	t.Helper()
	s, err := mapping.Load(fstest.MapFS{"thing.yaml": {Data: []byte("object: Thing__c\nsource: ServiceRequest\n" +
		"key: {field: Key__c, from: \"%source & '.' & id\"}\nrows:\n" + rows)}}, mapping.Options{})
	require.NoError(t, err)
	return s
}

func TestAFaultKeepsItsTextsWhenTheMemoryOfItsLineIsUsedAgain(t *testing.T) {
	var in bytes.Buffer
	for i := range 4000 {
		fmt.Fprintf(&in, `{"id":"%d","x":"%s","resourceType":"ServiceRequest"}`+"\n", i, strings.Repeat("secret", i%40))
	}
	elements := map[string]int{}
	j := Job{Tables: setOf(t, "  - {field: A__c, from: $this, purpose: x}\n"), Target: Records, Variables: map[string]string{"source": "s"}}
	var all []mapping.Faults
	j.Failed = func(f LineFault) { all = append(all, f.Faults) }
	_, err := j.Run(context.Background(), &in, &bytes.Buffer{})
	require.NoError(t, err)
	for _, f := range all {
		elements[f[0].Element]++
	}
	assert.Equal(t, map[string]int{"ServiceRequest": 4000}, elements)
}

// TestAFaultOfALineHoldsNothingOfTheNextLine writes the type of the resource with an escape: it then stands in memory that the next
// line of the same chunk uses, before anybody is told of the fault.
func TestAFaultOfALineHoldsNothingOfTheNextLine(t *testing.T) {
	in := `{"resourceType":"\u0053erviceRequest","id":"1"}` + "\n" + `{"resourceType":"Patient","name":"\u004fkafor-Secret-Name"}` + "\n"
	j := Job{Tables: setOf(t, "  - {field: A__c, from: $this, purpose: x}\n"), Target: Records, Variables: map[string]string{"source": "s"}}
	_, failed, _ := mapped(t, j, strings.NewReader(in))
	require.Len(t, failed, 2)
	assert.Contains(t, failed[0].Faults.Error(), "at ServiceRequest ")
}

func TestManyWorkersGiveWhatOneGives(t *testing.T) {
	set := benchSet(t)
	var in bytes.Buffer
	for i, r := range benchRecords(t, set, 3000) {
		in.Write(append(r, '\n'))
		if i%7 == 0 {
			in.WriteString("{\"resourceType\":\n")
		}
		if i%11 == 0 {
			in.WriteString("{\"resourceType\":\"ServiceRequest\",\"\\u0069d\":\"\\u0031\"}\r\n")
		}
	}
	run := func(workers int) (string, []string) {
		var out bytes.Buffer
		var said []string
		j := Job{Tables: set, Target: "referral", Workers: workers, Failed: func(f LineFault) { said = append(said, fmt.Sprint(f.Line, f.Faults, f.Err)) }}
		_, err := j.Run(context.Background(), bytes.NewReader(in.Bytes()), &out)
		require.NoError(t, err)
		return out.String(), said
	}
	want, wantSaid := run(1)
	require.NotEmpty(t, wantSaid)
	for _, workers := range []int{2, 3, 8} {
		got, said := run(workers)
		assert.True(t, want == got, workers)
		assert.Equal(t, wantSaid, said)
	}
}

func TestTwoResourcesOfALineThatMakeOneKeyAndDifferAreHeld(t *testing.T) {
	j := Job{Tables: setOf(t, "  - {field: A__c, from: status, purpose: x}\n"), Target: Records, Prepare: func(r fhir.Resource) (Prepared, error) {
		c, p := mapping.ContentsOf(r), Prepared{}
		for _, b := range c.Each() {
			p.Samples = append(p.Samples, mapping.Sample{Bundle: b, Variables: map[string]string{"source": "s"}})
		}
		return p, nil
	}}
	line := func(second string) string {
		return `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"ServiceRequest","id":"1","status":"active"}},` +
			`{"resource":{"resourceType":"ServiceRequest","id":"1","status":"` + second + `"}}]}` + "\n"
	}
	got, failed, _ := mapped(t, j, strings.NewReader(line("active")+line("revoked")))
	assert.Equal(t, []string{`{"records":[{"object":"Thing__c","key":{"Key__c":"s.1"},"fields":{"A__c":"active"}}]}`}, got)
	require.Len(t, failed, 2, "nobody knows which of the two is right")
	assert.ErrorContains(t, failed[0].Faults, "two records have this key and differ in A__c")
}
