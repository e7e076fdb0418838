package rest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFinding_server_MP8_WhatIsSwitchedOnIsAskedFor(t *testing.T) {
	const read1 = "system/ServiceRequest.read system/Appointment.read system/Patient.read"
	assert.Equal(t, read1, Scope(false, false))
	assert.Equal(t, read1+" system/ServiceRequest.write system/Appointment.write", Scope(false, true))
	assert.Equal(t, "system/ServiceRequest.rs system/Appointment.rs system/Patient.rs", Scope(true, false))
	assert.Equal(t, "system/ServiceRequest.rus system/Appointment.rus system/Patient.rs", Scope(true, true))
	for _, v2 := range []bool{false, true} {
		asked := Scope(v2, true)
		assert.Empty(t, readGrants(asked).lacks(asked), "a server that grants all of it grants enough")
		for _, need := range []struct {
			typ         string
			interaction byte
			allowed     bool
		}{
			{"ServiceRequest", 's', true}, {"ServiceRequest", 'r', true}, {"ServiceRequest", 'u', true}, {"Appointment", 'u', true},
			{"Patient", 'r', true}, {"Patient", 's', true}, {"Patient", 'u', false}, {"Observation", 'r', false},
		} {
			assert.Equal(t, need.allowed, readGrants(asked).allow(need.typ, need.interaction), "%v %s %c", v2, need.typ, need.interaction)
		}
	}
}

func TestFinding_clients_J4_WhatAServerGrantedIsComparedWithWhatWasAskedFor(t *testing.T) {
	for _, c := range []struct {
		asked, granted string
		missing        []string
	}{
		{Scope(false, true), "system/*.*", nil},
		{Scope(false, true), "system/*.cruds", nil},
		{Scope(false, true), "system/*.read system/*.write", nil},
		{Scope(false, false), "system/*.rs", nil},
		{Scope(false, true), "system/*.rus", nil}, // nothing is created or deleted
		{Scope(true, true), "system/*.read system/ServiceRequest.write system/Appointment.write", nil},
		{Scope(true, true), "system/*.rs", []string{"system/ServiceRequest.rus", "system/Appointment.rus"}},
		{Scope(false, true), Scope(false, false), []string{"system/ServiceRequest.write", "system/Appointment.write"}},
		{Scope(false, false), "system/ServiceRequest.read system/Patient.r", []string{"system/Appointment.read", "system/Patient.read"}},
		{Scope(false, false), "system/ServiceRequest.rs system/Appointment.rs?status=booked system/Patient.rs", nil}, // less, but not none
		{Scope(false, false), "openid user/Patient.read", []string{"system/ServiceRequest.read", "system/Appointment.read", "system/Patient.read"}},
		{Scope(false, false) + " openid", Scope(false, false), nil},
		{"system/ServiceRequest.*", "system/ServiceRequest.cruds", nil},
		{"system/ServiceRequest.*", "system/ServiceRequest.rs", []string{"system/ServiceRequest.*"}},
	} {
		assert.Equal(t, c.missing, readGrants(c.granted).lacks(c.asked), "%s of %s", c.granted, c.asked)
	}
}

func TestFinding_clients_J4_ACallThatWasNotGrantedIsNotSentAndSaysWhoCanHelp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &secured{body: func(n int) string {
			return fmt.Sprintf(`{"access_token":"t%d","token_type":"bearer","expires_in":300,"scope":"system/Patient.rs"}`, n)
		}}
		c := signedIn(t, s, func(c *Config) { c.Logger, c.Scope = slog.New(slog.NewTextHandler(&log, nil)), Scope(false, true) })
		_, err := c.Read(t.Context(), patientRef)
		require.NoError(t, err)
		assert.Contains(t, log.String(), "the server granted less than was asked for")
		assert.Contains(t, log.String(), "system/ServiceRequest.read system/Appointment.read system/ServiceRequest.write")
		_, _, err = all(t.Context(), c, "Appointment")
		require.ErrorIs(t, err, ErrScope)
		assert.EqualError(t, err, "search Appointment: status 403: the server granted no such access: ask its administrator to allow this client "+
			"system/Appointment.read (SMART 1) or system/Appointment.s (SMART 2)")
		_, err = c.Update(t.Context(), patientRef, []byte(patient("1")))
		require.ErrorIs(t, err, ErrScope)
		assert.Equal(t, 1, s.reads, "the other calls were not sent")
	})
}

func TestAServerThatDoesNotSayWhatItGrantedIsTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, scope := range []string{``, `,"scope":""`, `,"scope":" "`} {
			s := &secured{body: func(n int) string {
				return fmt.Sprintf(`{"access_token":"t%d","token_type":"bearer","expires_in":300%s}`, n, scope)
			}}
			c := signedIn(t, s)
			_, err := c.Update(t.Context(), patientRef, []byte(patient("1")))
			require.NoError(t, err)
		}
	})
}

func TestARefusedSignInSaysWhatToDo(t *testing.T) {
	for code, want := range map[string]string{
		"invalid_client":      "register client_id there, and the public key of private_key",
		"unauthorized_client": "registered as a SMART backend service",
		"invalid_scope":       "set scope_version or scope",
		"temporarily_odd":     "status 400 (temporarily_odd)",
	} {
		s := &secured{answer: reply(400, `{"error":"`+code+`"}`, "Content-Type", "application/json")}
		synctest.Test(t, func(t *testing.T) {
			_, err := signedIn(t, s).Read(t.Context(), patientRef)
			assert.ErrorContains(t, err, want)
			assert.ErrorContains(t, err, code)
		})
	}
}

func TestAKeyOfAnEllipticCurveSignsES384(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		s := &secured{}
		_, err := signedIn(t, s, func(c *Config) { c.Key = key }).Read(t.Context(), patientRef)
		require.NoError(t, err)
		token, err := jwt.Parse(s.forms[0].Get("client_assertion"), func(*jwt.Token) (any, error) { return &key.PublicKey, nil },
			jwt.WithValidMethods([]string{"ES384"}))
		require.NoError(t, err)
		assert.Equal(t, "key-7", token.Header["kid"])
	})
	small, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	config := Config{BaseURL: testBase, TokenURL: testTokenURL, ClientID: "c", KeyID: "k"}
	config.Key = small
	_, err = New(config)
	assert.ErrorContains(t, err, "P-384")
	config.Key = (*rsa.PrivateKey)(nil)
	_, err = New(config)
	assert.ErrorContains(t, err, "key is missing")
	_, err = New(Config{BaseURL: testBase, Key: (*rsa.PrivateKey)(nil), Transport: http.DefaultTransport})
	assert.NoError(t, err, "a key that is none is none")
}
