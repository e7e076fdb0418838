package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A secret that can be guessed hides no NHS number: there are a thousand million of them.
func TestFinding_SEC6_ASecretThatHidesNHSNumbersIsLongEnough(t *testing.T) {
	for name, c := range map[string]struct {
		value string
		ok    bool
	}{
		"empty":            {"", false},
		"white space only": {" \t\n", false},
		"one letter":       {"x", false},
		"seven bytes":      {"1234567", false},
		"padded to eight":  {"1234567 ", false},
		"eight bytes":      {"12345678", true},
		"32 bytes":         {strings.Repeat("k", 32), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HASH_KEY", c.value)
			key, err := Secret("env:HASH_KEY").Hash()
			if !c.ok {
				assert.ErrorContains(t, err, "HASH_KEY")
				return
			}
			assert.NoError(t, err)
			assert.Equal(t, c.value, string(key))
		})
	}
}

// What is wrong with the secret is found with the other faults of the file.
func TestFinding_SEC6_AShortPatientKeyIsAFaultOfTheFile(t *testing.T) {
	t.Setenv("BLANK", "  ")
	c := Config{Salesforce: Salesforce{PatientKey: "env:BLANK"}}
	assert.ErrorContains(t, c.Secrets(), "too short to hide NHS numbers")
}
