// Package config reads refbridge.yaml: strictly, with every fault at once, each with its place and a hint.
package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // containers have no zone files

	"go.yaml.in/yaml/v3"

	"refbridge/config/pattern"
)

// Config is the whole file.
type Config struct {
	TimeZone   string     `yaml:"time_zone"` // of schedules; default Europe/London
	Proxy      string     `yaml:"proxy"`     // of every call: empty = none, env = what HTTPS_PROXY and NO_PROXY say, or the URL of an HTTP proxy
	Tables     string     `yaml:"tables"`    // folder of mapping tables, relative to the file; empty = the built-in starter set
	Ledger     Ledger     `yaml:"ledger"`
	Salesforce Salesforce `yaml:"salesforce"`
	Sources    []Source   `yaml:"sources"`

	location *time.Location
	at       walker // where each key stands
}

// Ledger says where refbridge remembers.
type Ledger struct {
	Path string `yaml:"path"` // SQLite file, relative to the configuration file
	Key  Secret `yaml:"key"`  // 32 bytes in base64: encrypts raw bodies and last-synced images
	Keep string `yaml:"keep"` // how long raw bodies are kept, default 720h (30 days)
}

// Salesforce is the target org.
type Salesforce struct {
	LoginURL     string  `yaml:"login_url"` // https://MYDOMAIN.my.salesforce.com
	ClientID     string  `yaml:"client_id"`
	ClientSecret Secret  `yaml:"client_secret"` // client credentials flow
	Username     string  `yaml:"username"`      // with private_key: JWT bearer flow
	PrivateKey   Secret  `yaml:"private_key"`   // PEM
	APIVersion   string  `yaml:"api_version"`   // default v66.0
	Reserve      float64 `yaml:"reserve"`       // share of the daily calls left to others; default 0.20
	PatientKey   Secret  `yaml:"patient_key"`   // secret of the keys of Accounts that refbridge creates and of patient tokens
}

// Source is one far end that referrals come from, and its lane.
type Source struct {
	Name       string   `yaml:"name"` // stands in every key in Salesforce: do not change it later
	Kind       string   `yaml:"kind"` // ers or fhir
	BaseURL    string   `yaml:"base_url"`
	TokenURL   string   `yaml:"token_url"`
	ClientID   string   `yaml:"client_id"`
	KeyID      string   `yaml:"key_id"`
	PrivateKey Secret   `yaml:"private_key"`
	Services   []string `yaml:"services"` // ers: the service ids whose worklists are polled
	Rate       float64  `yaml:"rate"`     // calls a second; default 5 (ers), no limit (fhir)
	Patient    string   `yaml:"patient"`  // link (default) or create
	// TestPatients lets NHS numbers of the 999 range into an org that is not on this machine.
	TestPatients bool        `yaml:"test_patients"`
	System       string      `yaml:"system"`   // what SourceSystem says in Salesforce
	Poll         string      `yaml:"poll"`     // schedule of polls, cron syntax
	Sync         string      `yaml:"sync"`     // schedule of syncs
	MaxPoll      string      `yaml:"max_poll"` // how long one poll lasts before it leaves the rest to the next; default 1h
	Refresh      string      `yaml:"refresh"`  // how often every live record is read again; default 4h (ers), 24h (fhir)
	From         string      `yaml:"from"`     // fhir: the first poll asks for what changed since this day; empty = everything
	WriteBack    []WriteBack `yaml:"write_back"`

	PublicURL    string `yaml:"public_base_url"` // fhir: the base by which a server behind a gateway names itself; default base_url
	TokenHost    string `yaml:"token_host"`      // fhir: where the server's own word for its token endpoint may lead, beside base_url's host
	ScopeVersion string `yaml:"scope_version"`   // fhir: SMART scopes of v1 (default) or v2
	Scope        string `yaml:"scope"`           // fhir: asked for word by word; default: what is switched on needs
	PageSize     int    `yaml:"page_size"`       // fhir: records a page, 1 to 1000; default 100
	MaxWait      string `yaml:"max_wait"`        // fhir: how long one call waits for a server that wants fewer calls; default 15m
}

// WriteBack switches one operation of the way back on.
type WriteBack struct {
	Operation string `yaml:"operation"` // A013, A028, A036 (ers) or update (fhir)
	UseCase   string `yaml:"use_case"`  // reference of the reviewed use case
	Approval  string `yaml:"approval"`  // operator (default) or none
}

// Secret is a reference to a secret, never the secret: env:NAME or file:PATH.
type Secret string

// Fault is one thing that is wrong with the file.
type Fault struct {
	File    string
	Line    int // 0 = the file as a whole
	Message string
	Hint    string
}

// Faults is everything that is wrong with the file.
type Faults []Fault

// Error gives one line a fault.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = fmt.Sprintf("%s:%d: %s", one.File, one.Line, one.Message)
		if one.Hint != "" {
			lines[i] += " (" + one.Hint + ")"
		}
	}
	return strings.Join(lines, "\n")
}

// ErrNoFile says that there is no configuration file.
var ErrNoFile = errors.New("no configuration file")

var (
	namePattern   = pattern.MustOnce(`^[a-z][a-z0-9-]{0,30}$`)
	secretPattern = pattern.MustOnce(`^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$`)
)

// Schedule checks a schedule in cron syntax for a time zone.
type Schedule func(spec string, zone *time.Location) error

// Load reads and checks a file. Its error is ErrNoFile, or Faults with all of them.
func Load(path string, schedule Schedule) (*Config, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoFile, path)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return Parse(path, text, schedule)
}

// Parse is Load on a text; relative paths in it are taken from the folder of path.
func Parse(path string, text []byte, schedule Schedule) (*Config, error) {
	c := &Config{}
	w := walker{file: path, lines: map[string]int{}, zero: map[string]bool{}, schedule: schedule}
	var doc, more yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(text))
	if err := in.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, Faults{{File: path, Line: 1, Message: "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	w.document(&doc, c)
	if err := in.Decode(&more); !errors.Is(err, io.EOF) {
		w.lines["---"] = more.Line
		w.fault("---", "a second document in the file", "one file is one configuration")
	}
	c.defaults(filepath.Dir(path))
	c.check(&w)
	if len(w.faults) > 0 {
		slices.SortStableFunc(w.faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
		return nil, w.faults
	}
	c.at = w
	return c, nil
}

// Secrets reads every secret that the file refers to and gives what is wrong with them, all at once: Faults, or nil. What is
// read is thrown away.
func (c *Config) Secrets() error {
	w := walker{file: c.at.file, lines: c.at.lines}
	check := func(at string, err error) {
		if err != nil {
			w.fault(at, err.Error(), "")
		}
	}
	_, err := c.Ledger.Key.Key32()
	check("ledger.key", err)
	_, err = c.Salesforce.PatientKey.Hash()
	check("salesforce.patient_key", err)
	if c.Salesforce.ClientSecret != "" {
		_, err = c.Salesforce.ClientSecret.Read()
		check("salesforce.client_secret", err)
	}
	_, err = c.Salesforce.PrivateKey.RSA()
	check("salesforce.private_key", err)
	for i, s := range c.Sources {
		if _, err = s.PrivateKey.RSA(); s.Kind == "fhir" {
			_, err = s.PrivateKey.Signer()
		}
		check(fmt.Sprintf("sources[%d].private_key", i), err)
	}
	if len(w.faults) == 0 {
		return nil
	}
	return w.faults
}

// Location is the time zone of schedules and days.
func (c *Config) Location() *time.Location { return c.location }

// LongestWait returns how long one call waits for a server that wants fewer calls.
func (s Source) LongestWait() time.Duration {
	d, _ := time.ParseDuration(s.MaxWait)
	return d
}

// LongestPoll returns how long one poll lasts before it leaves the rest to the next.
func (s Source) LongestPoll() time.Duration {
	d, _ := time.ParseDuration(s.MaxPoll)
	return d
}

// FromDay returns when the day begins from which a first poll asks, in the time zone of the file; the zero time for everything.
func (c *Config) FromDay(s Source) time.Time {
	if s.From == "" {
		return time.Time{}
	}
	t, _ := time.ParseInLocation(time.DateOnly, s.From, c.location)
	return t
}

// KeepFor gives how long raw bodies are kept.
func (l Ledger) KeepFor() time.Duration {
	d, _ := time.ParseDuration(l.Keep)
	return d
}

// RefreshEvery gives how often live records are read again.
func (s Source) RefreshEvery() time.Duration {
	d, _ := time.ParseDuration(s.Refresh)
	return d
}

func (c *Config) defaults(dir string) {
	c.TimeZone = cmp.Or(c.TimeZone, "Europe/London")
	c.Ledger.Path = beside(dir, cmp.Or(c.Ledger.Path, "refbridge-data/ledger.db"))
	c.Ledger.Keep = cmp.Or(c.Ledger.Keep, "720h")
	if c.Tables != "" {
		c.Tables = beside(dir, c.Tables)
	}
	c.Salesforce.APIVersion = cmp.Or(c.Salesforce.APIVersion, "v66.0")
	c.Salesforce.Reserve = cmp.Or(c.Salesforce.Reserve, 0.20)
	for _, s := range []*Secret{&c.Ledger.Key, &c.Salesforce.ClientSecret, &c.Salesforce.PrivateKey, &c.Salesforce.PatientKey} {
		s.beside(dir)
	}
	for i := range c.Sources {
		s := &c.Sources[i]
		s.Patient = cmp.Or(s.Patient, "link")
		s.Sync = cmp.Or(s.Sync, "*/10 * * * *")
		s.MaxPoll = cmp.Or(s.MaxPoll, "1h")
		s.PrivateKey.beside(dir)
		if s.Kind == "ers" {
			s.Rate = cmp.Or(s.Rate, 5)
			s.Refresh = cmp.Or(s.Refresh, "4h")
			s.System = cmp.Or(s.System, "https://fhir.nhs.uk/Id/UBRN")
			s.Poll = cmp.Or(s.Poll, "10 7 * * *")
		} else {
			s.Refresh = cmp.Or(s.Refresh, "24h") // no search shows what was deleted
			s.System = cmp.Or(s.System, s.BaseURL)
			s.Poll = cmp.Or(s.Poll, "*/10 * * * *")
			s.ScopeVersion = cmp.Or(s.ScopeVersion, "v1")
			s.PageSize = cmp.Or(s.PageSize, 100)
			s.MaxWait = cmp.Or(s.MaxWait, "15m")
		}
	}
}

func beside(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func (c *Config) check(w *walker) {
	var err error
	if c.location, err = time.LoadLocation(c.TimeZone); err != nil {
		w.fault("time_zone", "no such time zone", "for example Europe/London")
	}
	w.zone = c.location
	w.proxy(c.Proxy)
	w.secret("ledger.key", c.Ledger.Key, true)
	w.url("salesforce.login_url", c.Salesforce.LoginURL, true)
	w.required("salesforce.client_id", c.Salesforce.ClientID)
	w.secret("salesforce.patient_key", c.Salesforce.PatientKey, true)
	w.secret("salesforce.client_secret", c.Salesforce.ClientSecret, false)
	w.secret("salesforce.private_key", c.Salesforce.PrivateKey, false)
	if c.Salesforce.ClientSecret == "" && (c.Salesforce.PrivateKey == "" || c.Salesforce.Username == "") {
		w.fault("salesforce", "no way to log in", "give client_secret, or username and private_key")
	}
	w.duration("ledger.keep", c.Ledger.Keep)
	if r := c.Salesforce.Reserve; !(r > 0 && r < 1) || w.zero["salesforce.reserve"] {
		w.fault("salesforce.reserve", "not a share", "0.20 keeps a fifth of the daily calls free")
	}
	if len(c.Sources) == 0 {
		w.fault("sources", "no source", "refbridge init writes an example")
	}
	names := map[string]bool{}
	for i, s := range c.Sources {
		at := fmt.Sprintf("sources[%d]", i)
		if names[s.Name] {
			w.fault(at+".name", fmt.Sprintf("source %q stands twice", s.Name), "each source has a name of its own")
		}
		names[s.Name] = true
		s.check(w, at)
	}
}

func (s Source) check(w *walker, at string) {
	if !namePattern().MatchString(s.Name) {
		w.fault(at+".name", "not a source name", "lower-case letters, digits and hyphens; it stands in keys in Salesforce")
	}
	w.oneOf(at+".kind", s.Kind, "ers", "fhir")
	w.oneOf(at+".patient", s.Patient, "link", "create")
	w.url(at+".base_url", s.BaseURL, true)
	w.url(at+".token_url", s.TokenURL, s.Kind == "ers")
	w.secret(at+".private_key", s.PrivateKey, s.Kind == "ers")
	if s.Kind == "ers" {
		w.required(at+".client_id", s.ClientID)
		w.required(at+".key_id", s.KeyID)
		if len(s.Services) == 0 {
			w.fault(at+".services", "no service", "the e-RS service ids whose worklists are yours; no call lists them")
		}
	}
	w.duration(at+".refresh", s.Refresh)
	w.duration(at+".max_poll", s.MaxPoll)
	w.cron(at+".poll", s.Poll)
	w.cron(at+".sync", s.Sync)
	if _, err := time.Parse(time.DateOnly, s.From); s.From != "" && err != nil {
		w.fault(at+".from", "not a day", "for example 2026-01-31")
	}
	if !(s.Rate > 0 && s.Rate <= 100) && (s.Kind == "ers" || s.Rate != 0 || w.zero[at+".rate"]) {
		w.fault(at+".rate", "not a rate", "calls a second; e-RS allows 10, the default is 5")
	}
	s.checkKind(w, at)
	s.checkWriteBack(w, at)
}

// checkKind refuses keys that say nothing for the kind of source: whoever wrote them expects something of them.
func (s Source) checkKind(w *walker, at string) {
	others := map[string][]string{"fhir": {"services"},
		"ers": {"from", "public_base_url", "token_host", "scope_version", "scope", "page_size", "max_wait"}}
	for _, key := range others[s.Kind] {
		if w.lines[at+"."+key] != 0 {
			w.fault(at+"."+key, fmt.Sprintf("%s says nothing for a source of kind %s", key, s.Kind), "take it out")
		}
	}
	if s.Kind == "fhir" {
		s.checkFHIR(w, at)
	}
}

func (w *walker) duration(at, value string) {
	if d, err := time.ParseDuration(value); value != "" && (err != nil || d <= 0) {
		w.fault(at, last(at)+" is not a duration", "for example 4h")
	}
}

func (w *walker) cron(at, spec string) {
	if w.schedule == nil {
		return
	}
	if err := w.schedule(spec, cmp.Or(w.zone, time.UTC)); err != nil { // the zone may be a fault of its own
		w.fault(at, err.Error(), "five fields, for example 10 7 * * *, or @every 10m")
	}
}

func (s Source) checkWriteBack(w *walker, at string) {
	for i, b := range s.WriteBack {
		at := fmt.Sprintf("%s.write_back[%d]", at, i)
		if s.Kind == "ers" {
			w.oneOf(at+".operation", b.Operation, "A013", "A028", "A036")
			w.required(at+".use_case", b.UseCase)
		} else {
			w.oneOf(at+".operation", b.Operation, "update")
		}
		w.oneOf(at+".approval", cmp.Or(b.Approval, "operator"), "operator", "none")
	}
}

func (w *walker) required(at, value string) {
	if value == "" {
		w.fault(at, last(at)+" is missing", "")
	}
}

func (w *walker) oneOf(at, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		w.fault(at, fmt.Sprintf("%s is %q", last(at), value), "one of "+strings.Join(allowed, ", "))
	}
}

func (w *walker) url(at, value string, required bool) {
	if value == "" && !required {
		return
	}
	u, err := url.Parse(value)
	loopback := err == nil && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
	switch {
	case value == "":
		w.fault(at, last(at)+" is missing", "")
	case err != nil || u.Host == "":
		w.fault(at, last(at)+" is not a URL", "https://…")
	case u.Scheme != "https" && !(u.Scheme == "http" && loopback):
		w.fault(at, last(at)+" is not https", "http is allowed on this machine only (127.0.0.1, localhost)")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		w.fault(at, last(at)+" holds more than scheme, host and path", "credentials and queries do not belong in it")
	}
}

func (w *walker) secret(at string, s Secret, required bool) {
	switch {
	case s == "" && required:
		w.fault(at, last(at)+" is missing", "a reference: env:NAME or file:PATH")
	case s != "" && !secretPattern().MatchString(string(s)):
		// The value itself is not repeated: it may be the secret.
		w.fault(at, last(at)+" is not a reference", "secrets do not stand in this file; write env:NAME or file:PATH")
	}
}

func last(at string) string { return at[strings.LastIndexByte(at, '.')+1:] }
