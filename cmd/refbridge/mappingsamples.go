package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"refbridge/bridge/report"
	"refbridge/config"
	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/fhir/ndjson"
	"refbridge/ledger"
	"refbridge/mapping"
)

// sampleFlags choose the real records that coverage and impact look at.
type sampleFlags struct {
	In   string `help:"Records, one a line, or one document; - is standard input." placeholder:"FILE|-" xor:"in"`
	Last int    `help:"The newest N bodies of each source in the ledger." placeholder:"N" xor:"in"`
}

// samplesHelp is part of the help of both commands.
const samplesHelp = `Records are R4 ServiceRequests, Appointments or Bundles of them, or referrals of e-RS in STU3. --last N reads what the ledger
keeps of each source; bodies older than its retention are purged, and counted. A record that cannot be read is told with its
line, and counted.`

// samples reads records as a sync would see them.
type samples struct {
	*program
	flags  sampleFlags
	worlds map[string]map[string]string // by kind of source: the variables of the tables
	beyond *fhir.Resolver               // the FHIR server, and what stands in other lines of the file
	counts sampleCounts
}

// sampleCounts account for every record that was there.
type sampleCounts struct {
	Read       int `json:"read"`
	Unreadable int `json:"unreadable"`
	Nothing    int `json:"nothingToMap"` // read, but no resource that is mapped
	Purged     int `json:"purged"`
}

func (p *program) samples(flags sampleFlags) (*samples, error) {
	s := &samples{program: p, flags: flags, beyond: fhir.NewResolver(""), worlds: map[string]map[string]string{
		"ers":  {"source": "ers", "run": "live", "patientMode": "link", "system": fhir.SystemUBRN},
		"fhir": {"source": "fhir", "run": "live", "patientMode": "link", "system": ""},
	}}
	cfg, err := config.Load(p.config, checkSchedule)
	if errors.Is(err, config.ErrNoFile) && flags.Last == 0 {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	for i := len(cfg.Sources) - 1; i >= 0; i-- {
		s.worlds[cfg.Sources[i].Kind] = worldOf(cfg.Sources[i])
		if cfg.Sources[i].Kind == "fhir" {
			s.beyond.Base = cfg.Sources[i].BaseURL
		}
	}
	return s, nil
}

func worldOf(src config.Source) map[string]string {
	return map[string]string{"source": src.Name, "run": "live", "patientMode": src.Patient, "system": src.System}
}

// each hands out the records one by one.
func (s *samples) each(ctx context.Context, take func(mapping.Sample)) error {
	switch {
	case s.flags.Last > 0:
		return s.remembered(ctx, take)
	case s.flags.Last < 0 || s.flags.In == "":
		return misused("no records are named", "--in FILE or --last N")
	case s.flags.In == "-":
		return s.file(ctx, "standard input", s.in, take)
	}
	f, err := os.Open(s.flags.In)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		set := ndjson.NewSet(s.flags.In)
		defer set.Close()
		s.beyond.More, s.beyond.Others = set.Find, set.OfAnother
	}
	in, done := s.reading(f)
	defer done()
	return s.file(ctx, s.flags.In, in, take)
}

// toldRecords is how many unreadable records are told one by one.
const toldRecords = 20

func (s *samples) unreadable(at string, err error) {
	s.counts.Unreadable++
	switch n := s.counts.Unreadable; {
	case n <= toldRecords:
		text := fmt.Sprintf("%s cannot be read: %v", at, err)
		fmt.Fprintf(s.err, "refbridge: error: %s\n", report.Wrap(text, len("refbridge: error: ")))
	case n == toldRecords+1:
		fmt.Fprintf(s.err, "refbridge: hint: more records cannot be read; they are counted\n")
	}
}

// record reads one document: a resource of R4, a Bundle, or whatever e-RS answers with.
func (s *samples) record(at string, doc []byte, take func(mapping.Sample)) {
	r, err := fhir.Parse(doc)
	if err != nil {
		s.unreadable(at, err)
		return
	}
	if b, ok := bundleOf(r, s.beyond); ok {
		s.take(mapping.Sample{Bundle: b, Variables: s.worlds["fhir"]}, take)
		return
	}
	switch r.Type() {
	case "ReferralRequest", "Parameters", "Bundle":
		s.referrals(at, r, s.worlds["ers"], take)
	default:
		s.counts.Nothing++
	}
}

// bundleOf is mapping.BundleOf with what lies beyond the Bundle.
func bundleOf(r fhir.Resource, beyond *fhir.Resolver) (fhir.Bundle, bool) {
	c := mapping.ContentsOf(r)
	c.Among(beyond)
	return c.Bundle, len(c.Focus) > 0 && len(c.Sent) == 0
}

func (s *samples) referrals(at string, r fhir.Resource, world map[string]string, take func(mapping.Sample)) {
	found, err := ers.Referrals(r.Raw())
	if err != nil {
		s.unreadable(at, err)
		return
	}
	if len(found) == 0 {
		s.counts.Nothing++
	}
	for _, one := range found {
		b, err := ers.Normalise(one.Resource, one.Listed...)
		if err != nil {
			s.unreadable(at, err)
			continue
		}
		s.take(mapping.Sample{Bundle: b, Variables: world, Sent: one.Resource, Beside: one.Listed,
			Lost: ers.Lost(one.Resource, one.Listed...)}, take)
	}
}

func (s *samples) take(in mapping.Sample, take func(mapping.Sample)) {
	s.counts.Read++
	in.Now = s.now()
	take(in)
}

// remembered reads the newest bodies of every source in the ledger.
func (s *samples) remembered(ctx context.Context, take func(mapping.Sample)) error {
	a, err := s.open(ctx, looking)
	if err != nil {
		return err
	}
	defer a.close()
	for _, src := range a.cfg.Sources {
		err := a.ledger.Bodies(ctx, src.Name, s.flags.Last, func(b ledger.Body) error {
			s.body(src, b, take)
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *samples) body(src config.Source, body ledger.Body, take func(mapping.Sample)) {
	if body.JSON == nil {
		s.counts.Purged++
		return
	}
	r, err := fhir.Parse(body.JSON)
	if err != nil {
		s.unreadable(body.Ref.String(), err)
		return
	}
	if b, ok := bundleOf(r, fhir.NewResolver(src.BaseURL)); ok {
		s.take(mapping.Sample{Bundle: b, Variables: worldOf(src)}, take)
		return
	}
	s.referrals(body.Ref.String(), r, worldOf(src), take)
}

// end is the exit code of a command that went through.
func (s *samples) end() error {
	c := s.counts
	if c.Unreadable > 0 {
		return exit(exitRecordsFailed)
	}
	return nil
}

// summary says in one line what was read.
func (c sampleCounts) summary() string {
	out := fmt.Sprintf("%d records read", c.Read)
	if c.Read == 1 {
		out = "1 record read"
	}
	for _, more := range []struct {
		n    int
		what string
	}{{c.Unreadable, "unreadable"}, {c.Nothing, "with nothing to map"}, {c.Purged, "purged"}} {
		if more.n > 0 {
			out += fmt.Sprintf(", %d %s", more.n, more.what)
		}
	}
	return out
}
