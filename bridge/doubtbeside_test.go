package bridge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

func accepted(v sobject.Value) sobject.Field {
	return sobject.Field{Name: "IsAccepted", Value: v, Owner: sobject.Latest, KeepIfAbsent: true}
}

func TestDoubtRule04_WhatIsDoneIsUnknownUntilNoWriteIsOpen(t *testing.T) {
	at := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		is   ledger.Fate
		open []time.Time
		then ledger.Fate
		code string
		next time.Time
	}{
		{"done", ledger.Applied, nil, ledger.Applied, "", time.Time{}},
		{"one is open", ledger.Applied, []time.Time{at}, ledger.Unknown, codeInDoubt, at.Add(time.Second)},
		{"two are open: the last counts", ledger.Applied, []time.Time{at.Add(time.Minute), at}, ledger.Unknown, codeInDoubt, at.Add(time.Minute + time.Second)},
		{"held stays held", ledger.Held, []time.Time{at}, ledger.Held, "", time.Time{}},
		{"dead stays dead", ledger.Dead, []time.Time{at}, ledger.Dead, "", time.Time{}},
		{"unknown has its own next try", ledger.Unknown, []time.Time{at}, ledger.Unknown, "", time.Time{}},
	} {
		got := doubted(verdict{fate: c.is}, c.open)
		assert.Equal(t, c.then, got.fate, c.name)
		assert.Equal(t, c.code, got.reason.Code, c.name)
		assert.Equal(t, c.next, got.next, c.name)
	}
}

func TestDoubtRule05_WhatWasCarriedBackStandsWhileBothSidesStay(t *testing.T) {
	not := ledger.Carried{Field: "Status", Value: valueC, Against: "5"}
	seen := ledger.Carried{Field: "Status", Value: valueC, Against: "5", Seen: true, After: valueA}
	silent := ledger.Carried{Field: "Status", Value: valueC, Against: "5", Seen: true}
	other := ledger.Carried{Field: "IsAccepted", Value: valueC, Against: "5"}
	made, made5 := ledger.Carried{Field: "Status", Value: valueC, Against: "5-w1", Made: "6"}, ledger.Carried{Field: "Status", Value: valueC, Against: "5", Made: "5"}
	madeSeen, made5Seen := made, made5
	madeSeen.Seen, madeSeen.After, made5Seen.Seen, made5Seen.After = true, valueA, true, valueA
	for _, c := range []struct {
		name        string
		all         []ledger.Carried
		want, there sobject.Value
		version     string
		rest        []ledger.Carried
		stands      bool
	}{
		{"nothing", nil, valueA, valueC, "5", nil, false},
		{"the source was not read since", []ledger.Carried{not}, valueA, valueC, "5", []ledger.Carried{not}, true},
		{"the source keeps its state", []ledger.Carried{not}, valueA, valueC, "6", []ledger.Carried{seen}, true},
		{"it goes on keeping it", []ledger.Carried{seen}, valueA, valueC, "7", []ledger.Carried{seen}, true},
		{"the source is silent after it", []ledger.Carried{not}, empty, valueC, "6", []ledger.Carried{silent}, true},
		{"it was silent, and speaks by now", []ledger.Carried{silent}, valueB, valueC, "7", nil, false},
		{"the source goes on by itself", []ledger.Carried{seen}, valueB, valueC, "7", nil, false},
		{"a person changes it again", []ledger.Carried{seen}, valueA, valueB, "7", nil, false},
		{"its own answer is read", []ledger.Carried{made}, valueA, valueC, "6", []ledger.Carried{madeSeen}, true},
		{"its own answer is read, beside a worklist", []ledger.Carried{made}, valueA, valueC, "6-w2", []ledger.Carried{madeSeen}, true},
		{"a lagging page still has the version before, beside another worklist", []ledger.Carried{made}, valueA, valueC, "5-w2", []ledger.Carried{made}, true},
		{"the version before beside another patient, and the answer named none", []ledger.Carried{not}, valueA, valueC, "5-p2", []ledger.Carried{not}, true},
		{"its own answer was passed over unread", []ledger.Carried{made}, valueB, valueC, "7", nil, false},
		{"it made no new version", []ledger.Carried{made5}, valueA, valueC, "5", []ledger.Carried{made5Seen}, true},
		{"another field's stays", []ledger.Carried{other, seen}, valueB, valueC, "7", []ledger.Carried{other}, false},
	} {
		rest, stands := stillCarried(c.all, status(c.want), c.there, c.version)
		assert.Equal(t, c.rest, rest, c.name)
		assert.Equal(t, c.stands, stands, c.name)
	}
}

func TestDoubtRule04_AnOlderWishIsForwardedWhereTheSourceFallsSilent(t *testing.T) {
	at := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)
	said := func(v sobject.Value, changed time.Time) ledger.Row {
		return ledger.Row{Known: true, Changed: changed, Image: ledger.Image{Said: []sobject.Field{accepted(v)}}}
	}
	open := func(r ledger.Row, created time.Time, f ...sobject.Field) ledger.Row {
		in := sent(f...)
		in.Created = created
		r.Open = append(r.Open, in)
		return r
	}
	keep := accepted(empty)
	for _, c := range []struct {
		name string
		row  ledger.Row
		f    sobject.Field
		want sobject.Value
	}{
		{"nothing was said", ledger.Row{}, keep, empty},
		{"the source speaks", said(valueA, at), accepted(valueB), valueB},
		{"what is cleared when the source is silent", said(valueA, at), status(empty), empty},
		{"an older version said it, unsettled", said(valueA, at), keep, valueA},
		{"an open write says it", open(ledger.Row{}, at, accepted(valueA)), keep, valueA},
		{"the newest of two open writes", open(open(ledger.Row{}, at, accepted(valueA)), at, accepted(valueB)), keep, valueB},
		{"an open write that is newer than the image", open(said(valueA, at), at.Add(time.Second), accepted(valueB)), keep, valueB},
		{"an open write that is older than what was said since", open(said(valueB, at.Add(time.Second)), at, accepted(valueA)), keep, valueB},
		{"an open write of something else", open(said(valueA, at), at.Add(time.Second), status(valueB)), keep, valueA},
	} {
		assert.Equal(t, c.want, forwarded(c.row, c.f), c.name)
	}
}

func TestDoubtRule04_WhatTheSourceSaidIsRememberedUntilItIsSettled(t *testing.T) {
	for _, c := range []struct {
		name   string
		image  sobject.Record
		said   []sobject.Field
		f      sobject.Field
		result []sobject.Field
	}{
		{"said, not seen", sobject.Record{}, nil, accepted(valueA), []sobject.Field{accepted(valueA)}},
		{"said, another value is known", recordOf(accepted(valueB)), nil, accepted(valueA), []sobject.Field{accepted(valueA)}},
		{"said anew", sobject.Record{}, []sobject.Field{accepted(valueB)}, accepted(valueA), []sobject.Field{accepted(valueA)}},
		{"settled", recordOf(accepted(valueA)), []sobject.Field{accepted(valueA)}, accepted(valueA), []sobject.Field{}},
		{"silent", sobject.Record{}, nil, accepted(empty), nil},
		{"of a field that silence clears", sobject.Record{}, nil, status(valueA), nil},
	} {
		w := &Write{Known: ledger.Image{Record: c.image, Said: c.said}}
		said(w, c.f)
		assert.Equal(t, c.result, w.Known.Said, c.name)
	}
}

func TestDoubtRule02_AnImageIsWrittenWhereItIsNews(t *testing.T) {
	at := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)
	image := func(change func(*ledger.Image)) ledger.Image {
		i := known(status(valueA))
		i.Record.Modified, i.Said, i.Unclear = at, []sobject.Field{accepted(valueA)}, []string{"Type"}
		if change != nil {
			change(&i)
		}
		return i
	}
	is := ledger.Row{Known: true, Image: image(nil)}
	for _, c := range []struct {
		name  string
		row   ledger.Row
		now   ledger.Image
		equal bool
	}{
		{"nobody has seen it, nothing to remember", ledger.Row{}, ledger.Image{Unseen: true}, true},
		{"seen for the first time", ledger.Row{}, ledger.Image{}, false},
		{"unseen, and something was said", ledger.Row{}, ledger.Image{Unseen: true, Said: []sobject.Field{accepted(valueA)}}, false},
		{"as it was", is, image(nil), true},
		{"the same moment in another zone", is, image(func(i *ledger.Image) { i.Record.Modified = at.In(time.FixedZone("", 3600)) }), true},
		{"who wrote last is no news", is, image(func(i *ledger.Image) { i.Record.Theirs = true }), true},
		{"another stamp", is, image(func(i *ledger.Image) { i.Record.Modified = at.Add(time.Second) }), false},
		{"another value", is, image(func(i *ledger.Image) { i.Record.Set("Status", valueB) }), false},
		{"deleted", is, image(func(i *ledger.Image) { i.Deleted = true }), false},
		{"clear by now", is, image(func(i *ledger.Image) { i.Unclear = nil }), false},
		{"settled by now", is, image(func(i *ledger.Image) { i.Said = nil }), false},
		{"carried back", is, image(func(i *ledger.Image) { i.Carried = []ledger.Carried{{Field: "Status"}} }), false},
	} {
		assert.Equal(t, c.equal, equalImages(c.row, c.now), c.name)
	}
}

func TestDoubtRule05_WhatIsOursAsksForNothing(t *testing.T) {
	o := mapping.Object{Name: "ClinicalServiceRequest", Fields: []string{"Bridge_Action_Reason__c", "Status"}, Mapped: []string{"Status"}}
	reason := func(v sobject.Value) sobject.Field { return sobject.Field{Name: "Bridge_Action_Reason__c", Value: v} }
	row := func(image *ledger.Image, open ...ledger.Intent) ledger.Row {
		r := ledger.Row{Open: open}
		if image != nil {
			r.Image, r.Known = *image, true
		}
		return r
	}
	a := known(status(valueA))
	unclearA := ledger.Image{Record: recordOf(status(valueA)), Unclear: []string{"Status"}}
	carriedC := ledger.Image{Record: recordOf(status(valueA)), Carried: []ledger.Carried{{Field: "Status", Value: valueC}}}
	for _, c := range []struct {
		name string
		row  ledger.Row
		have sobject.Value
		asks bool
	}{
		{"as the image has it", row(&a), valueA, false},
		{"a person's", row(&a), valueC, true},
		{"a candidate", row(&a, sent(status(valueB))), valueB, false},
		{"the image's value, in doubt", row(&a, sent(status(valueB))), valueA, false},
		{"a person's, in doubt", row(&a, sent(status(valueB))), valueC, true},
		{"no image, what was meant", row(nil, created(status(valueA))), valueA, false},
		{"no image, a person's", row(nil, created(status(valueA))), valueC, true},
		{"nothing is known of a field that the tables write", row(&ledger.Image{}), valueC, false},
		{"nobody can tell whose it is", row(&unclearA), valueC, false},
		{"it was carried back", row(&carriedC), valueC, false},
		{"changed since it was carried back", row(&carriedC), valueB, true},
	} {
		now := recordOf(status(c.have), reason(empty))
		image := ours(o, c.row, now)
		assert.Equal(t, c.asks, len(changes(image, now, []string{"Status"})) == 1, c.name)
	}
	now := recordOf(status(valueA), reason(valueC))
	assert.Len(t, changes(ours(o, row(&a), now), now, o.Fields), 1, "a person's own field, which the tables do not write, asks")
}

func TestDoubtRule05_AProposalIsWithdrawnOnceTheRowDoesNotAskForIt(t *testing.T) {
	w := ledger.Writeback{Field: "Status", To: "c"}
	imageA, imageC := known(status(valueA)), known(status(valueC))
	for _, c := range []struct {
		name  string
		row   ledger.Row
		have  sobject.Value
		asked bool
	}{
		{"it still does", ledger.Row{Known: true, Image: imageA}, valueC, true},
		{"the row says something else", ledger.Row{Known: true, Image: imageA}, valueB, false},
		{"the row says what it said before", ledger.Row{Known: true, Image: imageA}, valueA, false},
		{"both sides have it by now", ledger.Row{Known: true, Image: imageC}, valueC, false},
		{"a write of ours meant it", ledger.Row{Known: true, Image: imageA, Open: []ledger.Intent{sent(status(valueC))}}, valueC, false},
	} {
		assert.Equal(t, c.asked, asked(c.row, recordOf(status(c.have)), w), c.name)
	}
}

func TestDoubtRule05_WhatIsNotSentAgain(t *testing.T) {
	for _, c := range []struct {
		name  string
		state ledger.WritebackState
		code  string
		not   bool
	}{
		{"the source refused it", ledger.Refused, codeRefused, true},
		{"the source did not offer it", ledger.Refused, codeNotOffered, true},
		{"Salesforce did not ask for it any more, and may again", ledger.Refused, codeWithdrawn, false},
		{"sent without an answer, and the source has moved", ledger.Reported, codeUnknownOutcome, true},
		{"not switched on yet", ledger.Reported, codeNotAllowed, false},
		{"no rule carries it yet", ledger.Reported, codeNotCarried, false},
	} {
		assert.Equal(t, c.not, notAgain(ledger.Writeback{State: c.state, Reason: ledger.Reason{Code: c.code}}), c.name)
	}
}

func TestDoubtRule06_ARowAsItMostLikelyIs(t *testing.T) {
	a, b, none := recordOf(status(valueA)), recordOf(status(valueB)), sobject.Record{}
	unseen := ledger.Image{Unseen: true, Record: a}
	for _, c := range []struct {
		name string
		row  ledger.Row
		like sobject.Record
	}{
		{"nothing", ledger.Row{}, none},
		{"its image", ledger.Row{Known: true, Image: ledger.Image{Record: a}}, a},
		{"its image, though a write is open", ledger.Row{Known: true, Image: ledger.Image{Record: a}, Open: []ledger.Intent{sent(status(valueB))}}, a},
		{"no image: what was meant last", ledger.Row{Open: []ledger.Intent{created(status(valueA)), sent(status(valueB))}}, b},
		{"nobody has seen it: what was meant last", ledger.Row{Known: true, Image: unseen, Open: []ledger.Intent{sent(status(valueB))}}, b},
		{"nobody has seen it, nothing was meant", ledger.Row{Known: true, Image: unseen}, a},
	} {
		assert.Equal(t, c.like, likely(c.row), c.name)
	}
}

func TestDoubtRule04_TheFieldsThatAProbeLooksAt(t *testing.T) {
	names := func(row ledger.Row) (out []string) {
		for _, f := range fieldsOf(row) {
			out = append(out, f.Name)
		}
		return out
	}
	image := known(status(valueA))
	assert.Empty(t, names(ledger.Row{}))
	assert.Equal(t, []string{"Status"}, names(ledger.Row{Known: true, Image: image}), "the image's")
	assert.Equal(t, []string{"IsAccepted"}, names(ledger.Row{Open: []ledger.Intent{created(accepted(valueA))}}), "those meant")
	assert.Equal(t, []string{"Status", "IsAccepted"}, names(ledger.Row{Known: true, Image: image,
		Open: []ledger.Intent{sent(status(valueB)), sent(accepted(valueA)), sent(accepted(valueB))}}), "each once")
	assert.Len(t, image.Record.Fields, 1, "the image itself stays as it is")
}
