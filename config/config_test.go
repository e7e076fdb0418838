package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const good = `
ledger: {path: data/ledger.db, key: env:LEDGER_KEY}
salesforce:
  login_url: https://trust.my.salesforce.com
  client_id: consumer
  client_secret: env:SECRET
  patient_key: file:patient.key
sources:
  - name: ers
    kind: ers
    base_url: https://int.api.service.nhs.uk/referrals/FHIR
    token_url: https://int.api.service.nhs.uk/oauth2/token
    client_id: app
    key_id: k1
    private_key: file:/etc/refbridge/ers.pem
    services: [0123456, "21012"]
  - name: ward
    kind: fhir
    base_url: http://127.0.0.1:8080/fhir
    patient: create
`

func TestAGoodFileLoadsWithItsDefaults(t *testing.T) {
	c, err := Parse("/etc/refbridge/refbridge.yaml", []byte(good), nil)
	require.NoError(t, err)
	assert.Equal(t, "Europe/London", c.Location().String())
	assert.Equal(t, "/etc/refbridge/data/ledger.db", c.Ledger.Path)
	assert.Equal(t, Secret("file:/etc/refbridge/patient.key"), c.Salesforce.PatientKey)
	assert.InDelta(t, 0.20, c.Salesforce.Reserve, 0)
	assert.Equal(t, []string{"0123456", "21012"}, c.Sources[0].Services, "a service id keeps its leading zero")
	assert.Equal(t, 4*time.Hour, c.Sources[0].RefreshEvery())
	assert.Equal(t, "link", c.Sources[0].Patient)
	assert.Equal(t, "http://127.0.0.1:8080/fhir", c.Sources[1].System)
}

func TestEveryFaultOfAFileIsReportedAtOnceWithItsLineAndAHint(t *testing.T) {
	_, err := Parse("refbridge.yaml", []byte(`time_zone: Europe/Londn
ledger:
  path: ledger.db
  key: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=
salesforce:
  login_ulr: https://trust.my.salesforce.com
  client_id: consumer
  reserve: 2
sources:
  - name: ERS One
    kind: rest
    base_url: http://ers.example/FHIR
    services: 21012
    write_back:
      - operation: A014
`), nil)
	var faults Faults
	require.ErrorAs(t, err, &faults)
	got := map[string]string{}
	lines := map[string]int{}
	for _, f := range faults {
		assert.Equal(t, "refbridge.yaml", f.File)
		got[f.Message], lines[f.Message] = f.Hint, f.Line
	}
	for message, line := range map[string]int{
		"no such time zone":       1,
		"key is not a reference":  4,
		`unknown key "login_ulr"`: 6,
		"login_url is missing":    5,
		"not a share":             8,
		"not a source name":       10,
		`kind is "rest"`:          11,
		"base_url is not https":   12,
		"services is not a list":  13,
		`operation is "A014"`:     15,
		"no way to log in":        5,
		"patient_key is missing":  5,
	} {
		if assert.Contains(t, lines, message) {
			assert.Equal(t, line, lines[message], message)
		}
	}
	assert.Equal(t, `did you mean "login_url"?`, got[`unknown key "login_ulr"`])
	assert.NotContains(t, err.Error(), "MDEyMzQ1", "a secret that somebody wrote into the file is not repeated")
}

func TestKeysThatWouldBeIgnoredOrMeanNothingAreFaults(t *testing.T) {
	never := func(spec string, _ *time.Location) error {
		return errors.New("schedule " + spec + " is not cron syntax")
	}
	text := strings.Replace(good, "    patient: create\n", "    patient: create\n    services: [\"1\"]\n    rate: 7\n    client_id: x\n    from: monday\n", 1)
	text = strings.Replace(text, "    services: [0123456", "    refresh: -4h\n    rate: NaN\n    services: [0123456", 1)
	text = strings.Replace(text, "  client_id: consumer\n", "  client_id: consumer\n  reserve: 0\n", 1) + "---\nmore: 1\n"
	_, err := Parse("refbridge.yaml", []byte(text), never)
	var faults Faults
	require.ErrorAs(t, err, &faults)
	for _, want := range []string{"services says nothing for a source of kind fhir", "client_id, key_id and private_key go together", "not a day", "refresh is not a duration", "not a rate", "not a share",
		"a second document in the file", "schedule 10 7 * * * is not cron syntax"} {
		assert.Contains(t, faults.Error(), want)
	}
	for _, f := range faults {
		assert.Positive(t, f.Line, f.Message)
	}
}

func TestFinding_server_MP5_LiveRecordsOfEveryKindOfSourceAreReadAgain(t *testing.T) {
	for _, c := range []struct {
		line string
		want map[string]time.Duration
	}{
		{"", map[string]time.Duration{"ers": 4 * time.Hour, "fhir": 24 * time.Hour}},
		{"    refresh: 90m\n", map[string]time.Duration{"ers": 4 * time.Hour, "fhir": 90 * time.Minute}},
	} {
		cfg, err := Parse("refbridge.yaml", []byte(strings.Replace(good, "    patient: create\n", "    patient: create\n"+c.line, 1)), nil)
		require.NoError(t, err)
		for _, s := range cfg.Sources {
			assert.Equal(t, c.want[s.Kind], s.RefreshEvery(), s.Kind)
		}
	}
}

func TestAFileThatIsNotYAMLOrEmptyIsRefused(t *testing.T) {
	for _, text := range []string{"", "a: [", "- 1", "42", "ledger: 7"} {
		_, err := Parse("refbridge.yaml", []byte(text), nil)
		assert.Error(t, err, "%q", text)
	}
}

func TestASecretFileThatOthersMayReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte("secret\n"), 0o644))
	_, err := Secret("file:" + path).Read()
	require.ErrorIs(t, err, errOpenFile)
	require.NoError(t, os.Chmod(path, 0o600))
	got, err := Secret("file:" + path).Read()
	require.NoError(t, err)
	assert.Equal(t, "secret", string(got))
}

func TestSecretsAreReadFromTheEnvironmentAndCheckedForTheirShape(t *testing.T) {
	t.Setenv("RB_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	key, err := Secret("env:RB_KEY").Key32()
	require.NoError(t, err)
	assert.Len(t, key, 32)
	t.Setenv("RB_KEY", "short")
	_, err = Secret("env:RB_KEY").Key32()
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "short")
	_, err = Secret("env:RB_NOT_SET").Read()
	require.Error(t, err)
	_, err = Secret("env:RB_KEY").RSA()
	require.Error(t, err)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("sources: &a [*a]"))
	f.Add([]byte("ledger: {path: x, path: y}"))
	f.Add([]byte(good + "    test_patients: true\n    page_size: 0x1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("refbridge.yaml", text, nil)
		if (c == nil) == (err == nil) {
			t.Fatal("neither a configuration nor an error")
		}
	})
}
