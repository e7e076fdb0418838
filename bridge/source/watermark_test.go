package source

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"refbridge/bridge/bridgetest"
)

func TestFinding_inputs_B2_TheWatermarkNeverPassesTheStartOfThePoll(t *testing.T) {
	const (
		before = "2026-11-30T11:00:00Z"
		now    = "2026-11-30T12:00:00Z"
	)
	for name, c := range map[string]struct {
		from         string
		server, ours string
		pages        [][]string
		mark, end    string // while the poll goes on behind the last page, and when it has ended
		ahead, bare  int
	}{
		"nothing changed":                         {before, now, now, nil, before, now, 0, 0},
		"the first poll, nothing there":           {"", now, now, nil, "", now, 0, 0},
		"page by page":                            {before, now, now, [][]string{{"2026-11-30T11:10:00Z", "2026-11-30T11:20:00Z"}, {"2026-11-30T11:30:00Z"}}, "2026-11-30T11:45:00Z", now, 0, 0},
		"the first poll, page by page":            {"", now, now, [][]string{{"2020-01-01T00:00:00Z"}}, "2020-01-01T00:15:00Z", now, 0, 0},
		"rows of the overlap do not take it back": {before, now, now, [][]string{{"2026-11-30T10:44:00Z"}}, before, now, 0, 0},
		"within the overlap each page gets on":    {before, now, now, [][]string{{"2026-11-30T10:50:00Z"}}, "2026-11-30T11:05:00Z", now, 0, 0},
		"a stamp of 2099":                         {before, now, now, [][]string{{"2026-11-30T11:10:00Z", "2099-01-01T00:00:00Z"}}, now, now, 1, 0},
		"only stamps of the future":               {"", now, now, [][]string{{"2031-01-01T00:00:00Z"}, {"2099-01-01T00:00:00Z"}}, now, now, 2, 0},
		"changed while the poll goes on":          {before, now, now, [][]string{{"2026-11-30T12:00:30Z"}}, now, now, 0, 0},
		"the source's clock is three hours ahead": {before, "2026-11-30T15:00:00Z", now, [][]string{{"2026-11-30T14:59:00Z"}}, now, now, 1, 0},
		"our clock is three hours ahead":          {before, now, "2026-11-30T15:00:00Z", [][]string{{"2026-11-30T11:59:00Z"}}, now, now, 0, 0},
		"the source does not tell its clock":      {before, "", now, [][]string{{"2026-11-30T11:59:00Z"}}, now, now, 0, 0},
		"a watermark of the future from before":   {"2099-01-01T00:00:00Z", now, now, [][]string{{"2026-11-30T11:59:00Z"}}, now, now, 0, 0},
		"out of order":                            {before, now, now, [][]string{{"2026-11-30T11:30:00Z", "2026-11-30T11:20:00Z"}}, before, now, 0, 0},
		"out of order between pages":              {before, now, now, [][]string{{"2026-11-30T11:30:00Z"}, {"2026-11-30T11:20:00Z"}}, before, now, 0, 0},
		"no stamps at all":                        {before, now, now, [][]string{{"", "x"}}, before, before, 0, 2},
		"one without a stamp":                     {before, now, now, [][]string{{"2026-11-30T11:20:00Z", ""}}, before, now, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := progress{from: bridgetest.At(c.from), start: pollStart(bridgetest.At(c.server), bridgetest.At(c.ours))}
			for _, page := range c.pages {
				var stamps []time.Time
				for _, s := range page {
					stamps = append(stamps, bridgetest.At(s))
				}
				p = p.page(stamps, p.start)
			}
			assert.Equal(t, bridgetest.At(c.mark), p.mark())
			assert.Equal(t, bridgetest.At(c.end), p.end())
			assert.Equal(t, [2]int{c.ahead, c.bare}, [2]int{p.ahead, p.bare})
			assert.Equal(t, c.ahead+c.bare > 0, p.odd("ServiceRequest") != "")
		})
	}
}

func TestThePollReachesBackFromTheStartOfTheOneBefore(t *testing.T) {
	now := bridgetest.At("2026-11-30T12:00:00Z")
	assert.Equal(t, bridgetest.At("2026-11-30T10:45:00Z"), since(bridgetest.At("2026-11-30T11:00:00Z"), now, time.Time{}))
	assert.Equal(t, bridgetest.At("2026-11-30T11:45:00Z"), since(bridgetest.At("2099-01-01T00:00:00Z"), now, time.Time{}), "a watermark of the future")
	assert.Equal(t, now, since(time.Time{}, now, now), "the first poll")
	mark := bridgetest.At("2026-11-30T11:20:00Z")
	assert.Equal(t, mark, putBack(mark, now, now), "the clock goes on")
	assert.Equal(t, bridgetest.At("2026-11-30T08:05:00Z"), putBack(mark, bridgetest.At("2026-11-30T09:00:00Z"), now), "it was put back by three hours")
	assert.Zero(t, since(time.Time{}, now, time.Time{}))
}

func TestFinding_server_MP4_APollGoesOnByKeyWhereItCan(t *testing.T) {
	const (
		a = "2026-11-30T11:00:00Z"
		b = "2026-11-30T11:00:00.100Z"
		d = "2026-11-30T11:00:05Z"
	)
	for name, c := range map[string]struct {
		key   string
		links bool
		pages []pageView
		want  step
		again bool // rows may have been passed over
		nolid bool // the key does not work
	}{
		"the only page":                           {a, false, []pageView{{bridgetest.At(a), bridgetest.At(d), true, false, 9, 0}}, follow, false, false},
		"a page and more":                         {a, false, []pageView{{bridgetest.At(a), bridgetest.At(d), true, true, 9, 0}}, rekey, false, false},
		"the first poll of all":                   {"", false, []pageView{{bridgetest.At(a), bridgetest.At(d), true, true, 9, 0}}, rekey, false, false},
		"a page of one stamp":                     {a, false, []pageView{{bridgetest.At(a), bridgetest.At(a), true, true, 9, 9}}, follow, false, false},
		"the next one has other stamps":           {a, false, []pageView{{bridgetest.At(a), bridgetest.At(a), true, true, 9, 9}, {bridgetest.At(a), bridgetest.At(b), true, true, 9, 3}}, repeat, true, false},
		"nothing of the old stamp is new":         {a, false, []pageView{{bridgetest.At(a), bridgetest.At(a), true, true, 0, 0}, {bridgetest.At(a), bridgetest.At(b), true, true, 5, 0}}, rekey, false, false},
		"it ends within one stamp":                {a, false, []pageView{{bridgetest.At(a), bridgetest.At(a), true, true, 9, 9}, {bridgetest.At(a), bridgetest.At(a), true, false, 2, 2}}, follow, true, false},
		"it ends within one stamp, a second time": {a, false, []pageView{{bridgetest.At(a), bridgetest.At(a), true, true, 0, 0}, {bridgetest.At(a), bridgetest.At(a), true, false, 0, 0}}, follow, false, false},
		"an empty page with a next link":          {a, false, []pageView{{sorted: true, more: true}}, follow, false, false},
		"the server does not sort":                {a, false, []pageView{{bridgetest.At(a), bridgetest.At(d), false, true, 9, 0}}, follow, false, true},
		"the server does not sort, further pages": {a, false, []pageView{{bridgetest.At(a), bridgetest.At(d), false, true, 9, 0}, {bridgetest.At(a), bridgetest.At(d), true, true, 9, 0}}, follow, true, true},
		"the server does not filter":              {d, false, []pageView{{bridgetest.At(a), bridgetest.At(d), true, true, 0, 0}}, follow, false, true},
		"known not to work":                       {a, true, []pageView{{bridgetest.At(a), bridgetest.At(d), true, true, 0, 0}}, follow, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, next := stretch{key: bridgetest.At(c.key), links: c.links}, follow
			for _, v := range c.pages {
				s, next = s.take(v)
			}
			assert.Equal(t, c.want, next)
			assert.Equal(t, c.again, s.skipped > 0)
			assert.Equal(t, c.nolid, s.links)
		})
	}
}

func TestWhatAPageMeansForTheWayOn(t *testing.T) {
	const a, b, d = "2026-11-30T11:00:00Z", "2026-11-30T11:00:01Z", "2026-11-30T11:00:05Z"
	for name, c := range map[string]struct {
		stamps []string
		fresh  []bool
		want   pageView
	}{
		"nothing":                     {nil, nil, pageView{more: true, sorted: true}},
		"in order":                    {[]string{a, b, d}, []bool{true, true, true}, pageView{oldest: bridgetest.At(a), newest: bridgetest.At(d), sorted: true, more: true, fresh: 3, late: 2}},
		"the newest first":            {[]string{d, a}, []bool{true, true}, pageView{oldest: bridgetest.At(a), newest: bridgetest.At(d), more: true, fresh: 2, late: 1}},
		"seen before":                 {[]string{a, b, d}, []bool{false, true, false}, pageView{oldest: bridgetest.At(a), newest: bridgetest.At(d), sorted: true, more: true, fresh: 1, late: 1}},
		"one without a stamp":         {[]string{"", d}, []bool{true, true}, pageView{oldest: bridgetest.At(d), newest: bridgetest.At(d), more: true, fresh: 2, late: 1}},
		"one stamp, right at the key": {[]string{b}, []bool{true}, pageView{oldest: bridgetest.At(b), newest: bridgetest.At(b), sorted: true, more: true, fresh: 1, late: 1}},
	} {
		var stamps []time.Time
		for _, s := range c.stamps {
			stamps = append(stamps, bridgetest.At(s))
		}
		assert.Equal(t, c.want, viewOf(stamps, c.fresh, bridgetest.At(b), true), name)
	}
}
