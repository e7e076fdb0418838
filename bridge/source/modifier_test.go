package source

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/bridgetest"
	"refbridge/fhir/rest"
	"refbridge/ledger"
	"refbridge/mapping"
)

// A page says what its entries are, and an entry what its resource is: what changes the meaning of one of them goes with the record,
// also where a page was reduced to its news.
func TestFinding_inputs_B4_AModifierOfALivePageOrEntryHoldsItsRecords(t *testing.T) {
	const modifier = `"modifierExtension":[{"url":"https://epr.example.nhs.uk/not-now","valueBoolean":true}]`
	const rules = `"implicitRules":"https://epr.example.nhs.uk/rules"`
	f := &FHIRServer{Base: "https://ward.example/r4"}
	tables, err := mapping.Load(mapping.Default(), mapping.Options{})
	require.NoError(t, err)
	whole := string(bridgetest.PageOf(f.Base, map[string]string{"x": `{"reference":"Patient/1"}`}, [2]string{f.Base + "/Patient/1", bridgetest.Person("1", "7", "9990000018")}))
	for name, c := range map[string]struct {
		before, put string
		held        bool
	}{
		"none":               {``, ``, false},
		"the page":           {`"type":"searchset"`, rules, true},
		"the entry":          {`"search":{"mode":"match"}`, modifier, true},
		"its search":         {`"mode":"match"`, modifier, true},
		"the patient's":      {`"search":{"mode":"include"}`, modifier, true},
		"of the search link": {`"type":"searchset"`, `"link":[{"relation":"self","url":"x",` + modifier + `}]`, false},
	} {
		text := whole
		if c.before != "" {
			require.Contains(t, text, c.before, name)
			text = strings.Replace(text, c.before, c.before+","+c.put, 1)
		}
		page, err := rest.ReadPage([]byte(text))
		require.NoError(t, err, name)
		rows := (&search{server: f, typ: "ServiceRequest"}).rows(page)
		for _, body := range [][]byte{[]byte(text), reduced(page.Entries, rows)} {
			seen, err := f.Sightings(ledger.Answer{Kind: "ServiceRequest", Body: body})
			require.NoError(t, err, name)
			require.Len(t, seen, 1, name)
			b, _, err := f.Normalise(t.Context(), seen[0].Body)
			require.NoError(t, err, name)
			_, err = tables.Map(mapping.Input{Focus: b.Focus[0], Related: b.Related, Resolver: b.References(), Now: time.Now(),
				Variables: map[string]string{"source": "ward", "patientMode": "link"}})
			var faults mapping.Faults
			assert.Equal(t, c.held, errors.As(err, &faults), "%s: %v", name, err)
			assert.Equal(t, c.held, faults.Has(mapping.UnknownModifier), name)
		}
	}
}

// The same content with a modifier around it is another version: it is mapped, and not taken for what was applied before.
func TestFinding_inputs_B4_AModifierAroundARecordChangesItsDigest(t *testing.T) {
	f := &FHIRServer{Base: "https://ward.example/r4"}
	digest := func(page string) string {
		seen, err := f.Sightings(ledger.Answer{Kind: "ServiceRequest", Body: []byte(page)})
		require.NoError(t, err)
		b, _, err := f.Normalise(context.Background(), seen[0].Body)
		require.NoError(t, err)
		return b.DigestAt(time.Now(), time.UTC).String()
	}
	plain := string(bridgetest.PageOf(f.Base, map[string]string{"x": `{"reference":"Patient/1"}`}, [2]string{f.Base + "/Patient/1", bridgetest.Person("1", "7", "9990000018")}))
	assert.NotEqual(t, digest(plain), digest(strings.Replace(plain, `"type":"searchset"`, `"type":"searchset","implicitRules":"https://x.example"`, 1)))
	assert.Equal(t, digest(plain), digest(strings.Replace(plain, `"type":"searchset"`, `"type":"searchset","total":1`, 1)))
}
