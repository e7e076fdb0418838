package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// whole is good with a line for each key, so that each has a line of its own.
const whole = `time_zone: Europe/London
tables: tables
ledger:
  path: data/ledger.db
  key: env:LEDGER_KEY
  keep: 240h
salesforce:
  login_url: https://trust.my.salesforce.com
  client_id: consumer
  client_secret: env:SECRET
  reserve: 0.3
  patient_key: file:patient.key
sources:
  - name: ers
    kind: ers
    base_url: https://int.api.service.nhs.uk/referrals/FHIR
    token_url: https://int.api.service.nhs.uk/oauth2/token
    client_id: app
    key_id: k1
    private_key: file:/etc/refbridge/ers.pem
    services: ["21012"]
    rate: 3
    poll: 10 7 * * *
    write_back:
      - operation: A013
        use_case: review 7
        approval: none
  - name: ward
    kind: fhir
    base_url: http://127.0.0.1:8080/fhir
    patient: create
    test_patients: true
    from: 2026-07-01
    write_back:
      - operation: update
`

// onlySeven is a schedule that knows one time.
func onlySeven(spec string, _ *time.Location) error {
	if spec == "10 7 * * *" || strings.HasPrefix(spec, "*/10 ") {
		return nil
	}
	return errors.New("schedule " + spec + " is not cron syntax")
}

func TestAWholeFileIsReadAsItStands(t *testing.T) {
	c, err := Parse("/etc/refbridge/refbridge.yaml", []byte(whole), onlySeven)
	require.NoError(t, err)
	assert.Equal(t, "/etc/refbridge/tables", c.Tables)
	assert.Equal(t, 240*time.Hour, c.Ledger.KeepFor())
	assert.InDelta(t, 0.3, c.Salesforce.Reserve, 0)
	assert.Equal(t, []WriteBack{{Operation: "A013", UseCase: "review 7", Approval: "none"}}, c.Sources[0].WriteBack)
	assert.False(t, c.Sources[0].TestPatients)
	assert.True(t, c.Sources[1].TestPatients)
	assert.True(t, c.FromDay(c.Sources[0]).IsZero(), "no day: everything")
	assert.Equal(t, 15*time.Minute, c.Sources[1].LongestWait())
}

// Each row puts new text where old stands in a whole file. The one fault that comes of it is at the line of the text that at names.
func TestEachFaultHasItsLineAndAHint(t *testing.T) {
	const needURL, needRef = "http is allowed on this machine only (127.0.0.1, localhost)", "a reference: env:NAME or file:PATH"
	for _, c := range []struct{ name, old, new, at, message, hint string }{
		{"a zone that is none", "Europe/London", "Europe/Londn", "time_zone", "no such time zone", "for example Europe/London"},
		{"no ledger key", "  key: env:LEDGER_KEY\n", "", "ledger:", "key is missing", needRef},
		{"the ledger key itself", "env:LEDGER_KEY", "c2VjcmV0", "  key:", "key is not a reference", "secrets do not stand in this file; write env:NAME or file:PATH"},
		{"a variable that cannot be", "env:LEDGER_KEY", "env:9KEY", "  key:", "key is not a reference", "secrets do not stand in this file; write env:NAME or file:PATH"},
		{"keep without a unit", "240h", "240", "  keep:", "keep is not a duration", "for example 4h"},
		{"keep nothing", "240h", "0s", "  keep:", "keep is not a duration", "for example 4h"},
		{"no login URL", "  login_url: https://trust.my.salesforce.com\n", "", "salesforce:", "login_url is missing", ""},
		{"a host alone", "https://trust.my.salesforce.com", "trust.my.salesforce.com", "  login_url", "login_url is not a URL", "https://…"},
		{"an address that cannot be read", "https://trust.my.salesforce.com", "https://trust:x/", "  login_url", "login_url is not a URL", "https://…"},
		{"http to another machine", "https://trust", "http://trust", "  login_url", "login_url is not https", needURL},
		{"ftp to this machine", "http://127.0.0.1", "ftp://127.0.0.1", "    base_url: ftp", "base_url is not https", needURL},
		{"a password in the address", "https://trust", "https://me:pw@trust", "  login_url", "login_url holds more than scheme, host and path", "credentials and queries do not belong in it"},
		{"a query in the address", "salesforce.com", "salesforce.com?x=1", "  login_url", "login_url holds more than scheme, host and path", "credentials and queries do not belong in it"},
		{"a fragment in the address", "salesforce.com", "salesforce.com#x", "  login_url", "login_url holds more than scheme, host and path", "credentials and queries do not belong in it"},
		{"no client id", "  client_id: consumer\n", "", "salesforce:", "client_id is missing", ""},
		{"no patient key", "  patient_key: file:patient.key\n", "", "salesforce:", "patient_key is missing", needRef},
		{"no way to log in", "  client_secret: env:SECRET\n", "", "salesforce:", "no way to log in", "give client_secret, or username and private_key"},
		{"a key without a user", "client_secret: env:SECRET", "private_key: env:SECRET", "salesforce:", "no way to log in", "give client_secret, or username and private_key"},
		{"a user without a key", "client_secret: env:SECRET", "username: u@trust.example", "salesforce:", "no way to log in", "give client_secret, or username and private_key"},
		{"a reserve of nothing", "reserve: 0.3", "reserve: 0", "  reserve", "not a share", "0.20 keeps a fifth of the daily calls free"},
		{"a reserve of all", "reserve: 0.3", "reserve: 1", "  reserve", "not a share", "0.20 keeps a fifth of the daily calls free"},
		{"a reserve below nothing", "reserve: 0.3", "reserve: -0.1", "  reserve", "not a share", "0.20 keeps a fifth of the daily calls free"},
		{"a reserve that is no number", "reserve: 0.3", "reserve: NaN", "  reserve", "not a share", "0.20 keeps a fifth of the daily calls free"},
		{"a name twice", "name: ward", "name: ers", "  - name: ers\n    kind: fhir", `source "ers" stands twice`, "each source has a name of its own"},
		{"a name with a space", "name: ward", "name: the ward", "  - name: the ward", "not a source name", "lower-case letters, digits and hyphens; it stands in keys in Salesforce"},
		{"a name that is too long", "name: ward", "name: " + strings.Repeat("w", 32), "  - name: www", "not a source name", "lower-case letters, digits and hyphens; it stands in keys in Salesforce"},
		{"another way with patients", "patient: create", "patient: guess", "    patient:", `patient is "guess"`, "one of link, create"},
		{"e-RS without a token URL", "    token_url: https://int.api.service.nhs.uk/oauth2/token\n", "", "  - name: ers", "token_url is missing", ""},
		{"e-RS without a key", "    private_key: file:/etc/refbridge/ers.pem\n", "", "  - name: ers", "private_key is missing", needRef},
		{"e-RS without a client id", "    client_id: app\n", "", "  - name: ers", "client_id is missing", ""},
		{"e-RS without a key id", "    key_id: k1\n", "", "  - name: ers", "key_id is missing", ""},
		{"e-RS without services", "    services: [\"21012\"]\n", "", "  - name: ers", "no service", "the e-RS service ids whose worklists are yours; no call lists them"},
		{"e-RS with a day to begin", "rate: 3", "from: 2026-01-31", "    from: 2026-01", "from says nothing for a source of kind ers", "take it out"},
		{"a refresh that goes back", "rate: 3", "refresh: -4h", "    refresh:", "refresh is not a duration", "for example 4h"},
		{"a rate of nothing", "rate: 3", "rate: 0", "", "", ""}, // the default of e-RS takes its place
		{"as many as a rate may be", "rate: 3", "rate: 100", "", "", ""},
		{"a rate below nothing", "rate: 3", "rate: -1", "    rate:", "not a rate", "calls a second; e-RS allows 10, the default is 5"},
		{"a rate above all", "rate: 3", "rate: 101", "    rate:", "not a rate", "calls a second; e-RS allows 10, the default is 5"},
		{"a rate of nothing for a server", "patient: create", "rate: 0", "    rate: 0", "not a rate", "calls a second; e-RS allows 10, the default is 5"},
		{"a day that never was", "2026-07-01", "2026-02-30", "    from:", "not a day", "for example 2026-01-31"},
		{"a schedule that is none", "10 7 * * *", "at seven", "    poll:", "schedule at seven is not cron syntax", "five fields, for example 10 7 * * *, or @every 10m"},
		{"an operation that is not open", "A013", "A014", "      - operation: A014", `operation is "A014"`, "one of A013, A028, A036"},
		{"an operation without a use case", "        use_case: review 7\n", "", "      - operation: A013", "use_case is missing", ""},
		{"an approval by somebody else", "approval: none", "approval: later", "        approval:", `approval is "later"`, "one of operator, none"},
		{"an operation of e-RS for a server", "operation: update", "operation: A013", "      - operation: A013\n$", `operation is "A013"`, "one of update"},
		{"a key that is misspelt", "tables: tables", "table: tables", "table:", `unknown key "table"`, `did you mean "tables"?`},
		{"a key that is like none", "  path: data/ledger.db", "  quux: 1", "  quux", `unknown key "quux"`, "known here: path, key, keep"},
		{"a key twice", "  keep: 240h", "  keep: 240h\n  key: env:OTHER", "  key: env:OTHER", `key "key" stands twice`, ""},
		{"yes for true", "test_patients: true", "test_patients: yes", "    test_patients", "test_patients is neither true nor false", ""},
		{"no test patients", "test_patients: true", "test_patients: false", "", "", ""},
		{"an empty value is as none", "240h", "", "", "", ""},
		{"a tilde is as none", "tables: tables", "tables: ~", "", "", ""},
		{"http to this machine by name", "http://127.0.0.1:8080", "http://localhost:8080", "", "", ""},
		{"http to this machine in IPv6", "http://127.0.0.1:8080", "http://[::1]:8080", "", "", ""},
		{"approval by nobody in particular", "        approval: none\n", "", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(whole, c.old, c.new, 1)
			require.NotEqual(t, whole, text)
			_, err := Parse("refbridge.yaml", []byte(text), onlySeven)
			if c.message == "" {
				assert.NoError(t, err)
				return
			}
			var faults Faults
			require.ErrorAs(t, err, &faults)
			mark, last := strings.CutSuffix(c.at, "$")
			at := strings.Index(text, mark)
			if last {
				at = strings.LastIndex(text, mark)
			}
			require.GreaterOrEqual(t, at, 0, "%q", c.at)
			line := 1 + strings.Count(text[:at], "\n")
			assert.Equal(t, Faults{{File: "refbridge.yaml", Line: line, Message: c.message, Hint: c.hint}}, faults)
		})
	}
}

func TestAKeyOfAnotherShapeIsAFaultAndWhatItShouldSayIsMissing(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		wants          []string
	}{
		{"a word for a group", "- operation: update", "- update", []string{`write_back[0] is not a group of keys`, `operation is "" (one of update)`}},
		{"a word for a list", "services: [\"21012\"]", "services: 21012", []string{"services is not a list",
			"no service (the e-RS service ids whose worklists are yours; no call lists them)"}},
		{"a list for a word", "key_id: k1", "key_id: [k1]", []string{"key_id is not a single value", "key_id is missing"}},
		{"a word for a number", "reserve: 0.3", "reserve: much", []string{"reserve is not a number", "not a share (0.20 keeps a fifth of the daily calls free)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(whole, c.old, c.new, 1)
			require.NotEqual(t, whole, text)
			_, err := Parse("refbridge.yaml", []byte(text), onlySeven)
			require.Error(t, err)
			line := 1 + strings.Count(text[:strings.Index(text, c.new)], "\n")
			want := make([]string, len(c.wants))
			for i, w := range c.wants {
				want[i] = fmt.Sprintf("refbridge.yaml:%d: %s", line, w)
			}
			assert.Equal(t, want, strings.Split(err.Error(), "\n"))
		})
	}
}

func TestAFileThatCannotBeLoaded(t *testing.T) {
	dir := t.TempDir()
	_, err := Load(filepath.Join(dir, "refbridge.yaml"), nil)
	require.ErrorIs(t, err, ErrNoFile)
	_, err = Load(dir, nil)
	require.ErrorContains(t, err, "read "+dir)
	assert.NotErrorIs(t, err, ErrNoFile, "a folder is there, and no configuration")

	path := filepath.Join(dir, "refbridge.yaml")
	require.NoError(t, os.WriteFile(path, []byte(whole), 0o600))
	c, err := Load(path, onlySeven)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "data/ledger.db"), c.Ledger.Path, "relative to the file, wherever the program was started")
	assert.Equal(t, Secret("file:"+filepath.Join(dir, "patient.key")), c.Salesforce.PatientKey)
}

func TestEachSecretThatCannotBeUsedIsAFaultAtItsKey(t *testing.T) {
	key := string(pemOf(t, rsaKey(t)))
	const key32 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	for _, c := range []struct {
		name  string
		env   map[string]string // in place of what is right
		wants []Fault           // without the file
	}{
		{"all are right", nil, nil},
		{"no ledger key", map[string]string{"LEDGER_KEY": ""}, []Fault{{Line: 5, Message: "secret env:LEDGER_KEY: the environment variable is not set"}}},
		{"a short ledger key", map[string]string{"LEDGER_KEY": "c2hvcnQ="}, []Fault{{Line: 5, Message: "secret env:LEDGER_KEY: not 32 bytes in base64 (openssl rand -base64 32 makes one)"}}},
		{"no client secret", map[string]string{"SECRET": ""}, []Fault{{Line: 10, Message: "secret env:SECRET: the environment variable is not set"}}},
		{"a short patient key", map[string]string{"PATIENT": "x"}, []Fault{{Line: 12, Message: "secret env:PATIENT: 1 bytes, too short to hide NHS numbers (openssl rand -base64 32 makes one)"}}},
		{"no key of e-RS", map[string]string{"ERS": ""}, []Fault{{Line: 20, Message: "secret env:ERS: the environment variable is not set"}}},
		{"a word for the key of e-RS", map[string]string{"ERS": "key"}, []Fault{{Line: 20, Message: "secret env:ERS: no RSA private key"}}},
		{"a word for the key of a server", map[string]string{"WARD": "key"}, []Fault{{Line: 36, Message: "secret env:WARD: no RSA private key, and none of ECDSA on P-384"}}},
		{"no key of a server", map[string]string{"WARD": ""}, []Fault{{Line: 36, Message: "secret env:WARD: the environment variable is not set"}}},
		{"two at once", map[string]string{"LEDGER_KEY": "", "PATIENT": ""}, []Fault{
			{Line: 5, Message: "secret env:LEDGER_KEY: the environment variable is not set"}, {Line: 12, Message: "secret env:PATIENT: the environment variable is not set"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, value := range map[string]string{"LEDGER_KEY": key32, "SECRET": "s", "PATIENT": "eight bytes", "ERS": key, "WARD": key} {
				if other, ok := c.env[name]; ok {
					value = other
				}
				t.Setenv(name, value)
			}
			text := strings.NewReplacer("file:patient.key", "env:PATIENT", "file:/etc/refbridge/ers.pem", "env:ERS").Replace(whole)
			cfg, err := Parse("refbridge.yaml", []byte(text+"    private_key: env:WARD\n"), nil)
			require.NoError(t, err)
			err = cfg.Secrets()
			if c.wants == nil {
				assert.NoError(t, err)
				return
			}
			for i := range c.wants {
				c.wants[i].File = "refbridge.yaml"
			}
			assert.Equal(t, Faults(c.wants), err)
		})
	}
}

func TestASecretIsReadOrNamesWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) Secret {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.NoError(t, os.Chmod(path, mode))
		return Secret("file:" + path)
	}
	for name, c := range map[string]struct {
		secret    Secret
		want, err string
	}{
		"white space at its end goes": {write("a", "word \r\n", 0o600), "word", ""},
		"read-only":                   {write("b", "word", 0o400), "word", ""},
		"the group may read it":       {write("c", "word", 0o640), "", "others may read this file: chmod 600 it"},
		"others may write it":         {write("d", "word", 0o602), "", "others may read this file: chmod 600 it"},
		"no such file":                {Secret("file:" + filepath.Join(dir, "none")), "", "no such file or directory"},
		"a folder":                    {Secret("file:" + dir), "", "is a directory"},
	} {
		got, err := c.secret.Read()
		if c.err != "" {
			assert.ErrorContains(t, err, c.err, name)
			for _, read := range []func() error{
				func() error { _, err := c.secret.Key32(); return err }, func() error { _, err := c.secret.Hash(); return err },
				func() error { _, err := c.secret.RSA(); return err }, func() error { _, err := c.secret.Signer(); return err },
			} {
				assert.EqualError(t, read(), err.Error(), "%s: whatever it is read for", name)
			}
			continue
		}
		assert.NoError(t, err, name)
		assert.Equal(t, c.want, string(got), name)
	}
	none, err := Secret("").RSA()
	require.NoError(t, err)
	assert.Nil(t, none)
}

func TestFinding_code_T13_ADayBeginsInTheTimeZoneOfTheFile(t *testing.T) {
	c, err := Parse("/etc/refbridge/refbridge.yaml", []byte(whole), onlySeven)
	require.NoError(t, err)
	assert.Equal(t, "2026-06-30T23:00:00Z", c.FromDay(c.Sources[1]).UTC().Format(time.RFC3339), "1 July in Europe/London")
	c, err = Parse("/etc/refbridge/refbridge.yaml", []byte("time_zone: UTC\n"+strings.Replace(whole, "time_zone: Europe/London\n", "", 1)), onlySeven)
	require.NoError(t, err)
	assert.Equal(t, "2026-07-01T00:00:00Z", c.FromDay(c.Sources[1]).UTC().Format(time.RFC3339))
}
