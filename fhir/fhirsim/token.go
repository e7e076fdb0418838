package fhirsim

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The one registered client and its two public keys.
const (
	clientID = "refbridge-fhirsim"
	rsaKeyID = "fhirsim-rs384"
	ecKeyID  = "fhirsim-es384"
)

// grantLife is what SMART recommends at most; assertionLife what it allows at most.
const (
	grantLife     = 5 * time.Minute
	assertionLife = 5 * time.Minute
)

type grant struct {
	scopes  []string
	expires time.Time
}

// token answers a client_credentials request with a private_key_jwt assertion (SMART App Launch, client-confidential-
// asymmetric; errors by RFC 6749 5.2).
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	s.report.Calls["token"]++
	w.Header().Set("Cache-Control", "no-store")
	if !s.options.RequireToken {
		http.NotFound(w, r)
		return
	}
	if s.misbehave(w, r, "token") {
		return
	}
	if r.ParseForm() != nil || r.PostForm.Get("grant_type") != "client_credentials" {
		sendJSON(w, http.StatusBadRequest, object{"error": "unsupported_grant_type"})
		return
	}
	if r.PostForm.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" ||
		!s.assertion(r.PostForm.Get("client_assertion"), origin(r)+"/token") {
		sendJSON(w, http.StatusBadRequest, object{"error": "invalid_client"})
		return
	}
	scopes := strings.Fields(r.PostForm.Get("scope"))
	if len(scopes) == 0 || slices.ContainsFunc(scopes, func(scope string) bool { return !strings.HasPrefix(scope, "system/") }) {
		sendJSON(w, http.StatusBadRequest, object{"error": "invalid_scope"})
		return
	}
	scopes = slices.DeleteFunc(scopes, func(scope string) bool { return !s.grantable(scope) })
	token := rand.Text()
	s.grants[token] = grant{scopes: scopes, expires: s.now().Add(grantLife)}
	sendJSON(w, http.StatusOK, object{
		"access_token": token, "token_type": "bearer", "expires_in": int(grantLife.Seconds()), "scope": strings.Join(scopes, " "),
	})
}

// grantable reports whether the server knows a scope's version and may grant it. What it may not, it leaves out of
// the answer without an error, as RFC 6749 3.3 allows.
func (s *Server) grantable(scope string) bool {
	_, rights, _ := strings.Cut(scope, ".")
	v1 := rights == "read" || rights == "write" || rights == "*"
	if s.options.SMART == "v1" && !v1 || s.options.SMART == "v2" && v1 {
		return false
	}
	return len(s.faults.Grant) == 0 || slices.Contains(s.faults.Grant, scope)
}

// assertion tells whether a JWT is one of our client's, for this token endpoint, short-lived and not used before.
func (s *Server) assertion(text, audience string) bool {
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(text, claims, func(t *jwt.Token) (any, error) {
		switch [2]any{t.Header["kid"], t.Method.Alg()} {
		case [2]any{rsaKeyID, "RS384"}:
			return &s.key.PublicKey, nil
		case [2]any{ecKeyID, "ES384"}:
			return &s.ecKey.PublicKey, nil
		}
		return nil, jwt.ErrTokenUnverifiable
	}, jwt.WithTimeFunc(s.now), jwt.WithExpirationRequired(), jwt.WithAudience(audience), jwt.WithIssuer(clientID),
		jwt.WithSubject(clientID), jwt.WithValidMethods([]string{"RS384", "ES384"}))
	if err != nil {
		return false
	}
	jti, _ := claims["jti"].(string)
	expires, err := claims.GetExpirationTime()
	if err != nil || jti == "" || s.jtis[jti] || expires.Sub(s.now()) > assertionLife {
		return false
	}
	s.jtis[jti] = true
	return true
}

// allowed gives 200, 401 or 403 for a call.
func (s *Server) allowed(r *http.Request, interaction, typ string) int {
	if !s.options.RequireToken {
		return http.StatusOK
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	g, known := s.grants[token]
	if !ok || !known || !s.now().Before(g.expires) {
		return http.StatusUnauthorized
	}
	for _, scope := range g.scopes {
		if covers(scope, interaction, typ) {
			return http.StatusOK
		}
	}
	return http.StatusForbidden
}

// covers reads scopes of SMART 1 (system/Patient.read, .write, .*) and 2 (system/Patient.rs, .cruds).
func covers(scope, interaction, typ string) bool {
	of, rights, _ := strings.Cut(strings.TrimPrefix(scope, "system/"), ".")
	if of != "*" && of != typ {
		return false
	}
	switch rights {
	case "*":
		return true
	case "read":
		return interaction != "update"
	case "write":
		return interaction == "update"
	}
	letter := map[string]string{"update": "u", "search": "s", "read": "r", "vread": "r", "history": "r"}[interaction]
	return strings.Contains(rights, letter)
}

// smartConfiguration answers the discovery document of SMART.
func (s *Server) smartConfiguration(w http.ResponseWriter, r *http.Request) {
	if !s.options.RequireToken {
		http.NotFound(w, r)
		return
	}
	s.report.Calls["smart-configuration"]++
	endpoint := s.faults.TokenEndpoint
	if endpoint == "" {
		endpoint = origin(r) + "/token"
	}
	scopes, capabilities := list{}, list{"client-confidential-asymmetric"}
	if s.options.SMART != "v2" {
		scopes, capabilities = append(scopes, "system/*.read", "system/*.write"), append(capabilities, "permission-v1")
	}
	if s.options.SMART != "v1" {
		scopes, capabilities = append(scopes, "system/*.rs", "system/*.cruds"), append(capabilities, "permission-v2")
	}
	sendJSON(w, http.StatusOK, object{
		"token_endpoint":                                   endpoint,
		"grant_types_supported":                            list{"client_credentials"},
		"token_endpoint_auth_methods_supported":            list{"private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": list{"RS384", "ES384"},
		"scopes_supported":                                 scopes,
		"capabilities":                                     capabilities,
	})
}

func sendJSON(w http.ResponseWriter, status int, v any) {
	body, _ := json.Marshal(v) // made of JSON only
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(body)
}
