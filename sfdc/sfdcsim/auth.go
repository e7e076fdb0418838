package sfdcsim

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The limits of the token endpoint: the default session timeout, and how far ahead an assertion may expire.
const (
	sessionTimeout   = 2 * time.Hour
	maxAssertionLife = 5 * time.Minute
	jwtGrant         = "urn:ietf:params:oauth:grant-type:jwt-bearer"
)

type session struct{ expires time.Time }

// secret makes a value that follows from the seed.
func (s *Server) secret(purpose string) string {
	sum := sha256.Sum256([]byte(fmt.Sprintf("%d/%s", s.options.Seed, purpose)))
	return hex.EncodeToString(sum[:])
}

func (s *Server) clientID() string     { return "3MVG9" + s.secret("client id")[:40] }
func (s *Server) clientSecret() string { return strings.ToUpper(s.secret("client secret")) }
func (s *Server) username() string     { return "integration@refbridge.example" }
func (s *Server) orgID() string        { return newID("00D", s.store.instance, 1) }

func (s *Server) privateKey() (*rsa.PrivateKey, error) {
	s.keyOnce.Do(func() { s.key, s.keyErr = rsa.GenerateKey(rand.Reader, 2048) })
	return s.key, s.keyErr
}

// Credentials gives what a client needs to sign in to the org at baseURL. The private key is made on first use; it is
// the only thing in the org that does not follow from the seed.
func (s *Server) Credentials(baseURL string) Credentials {
	c := Credentials{BaseURL: baseURL, ClientID: s.clientID(), ClientSecret: s.clientSecret(), Username: s.username()}
	key, err := s.privateKey()
	if err != nil {
		return c
	}
	if der, err := x509.MarshalPKCS8PrivateKey(key); err == nil {
		c.PrivateKeyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	return c
}

// oauthError is the object that the token endpoint refuses with.
type oauthError struct{ code, description string }

func (s *Server) serveOAuth(w http.ResponseWriter, r *http.Request, resource string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case resource == "userinfo" && s.signedIn(r):
		writeResponse(w, response{status: 200, body: map[string]any{
			"organization_id": s.orgID(), "user_id": s.users.integration, "preferred_username": s.username()}})
	case resource == "userinfo":
		writeResponse(w, response{status: 403, body: "Bad_OAuth_Token"})
	case resource != "token":
		writeError(w, notFound())
	default:
		s.serveToken(w, r)
	}
}

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	body, oauth := map[string]any(nil), oauthError{"invalid_request", "must use HTTP POST"}
	if r.Method == http.MethodPost && r.ParseForm() == nil {
		body, oauth = s.token(r)
	}
	if oauth.code != "" {
		writeResponse(w, response{status: 400, body: map[string]any{"error": oauth.code, "error_description": oauth.description}})
		return
	}
	writeResponse(w, response{status: 200, headers: map[string]string{"Cache-Control": "no-cache, no-store"}, body: body})
}

func (s *Server) token(r *http.Request) (map[string]any, oauthError) {
	var refused oauthError
	switch r.PostForm.Get("grant_type") {
	case "client_credentials":
		refused = s.checkClient(r)
	case jwtGrant:
		refused = s.checkAssertion(r.PostForm, baseOf(r))
	default:
		refused = oauthError{"unsupported_grant_type", "grant type not supported"}
	}
	if refused.code != "" {
		return nil, refused
	}
	maps.DeleteFunc(s.sessions, func(_ string, old session) bool { return !s.clock().Before(old.expires) })
	s.tokens++
	token := s.orgID()[:15] + "!" + s.secret("token "+strconv.Itoa(s.tokens))
	s.sessions[token] = session{expires: s.clock().Add(sessionTimeout)}
	out := map[string]any{
		"access_token": token, "scope": "api", "instance_url": baseOf(r), "token_type": "Bearer",
		"id": "https://login.salesforce.com/id/" + s.orgID() + "/" + s.users.integration,
	}
	if r.PostForm.Get("grant_type") != jwtGrant {
		out["issued_at"] = strconv.FormatInt(s.clock().UnixMilli(), 10)
		out["signature"] = s.secret("signature " + strconv.Itoa(s.tokens))
	}
	return out, oauthError{}
}

func baseOf(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func (s *Server) checkClient(r *http.Request) oauthError {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	switch {
	case !same(id, s.clientID()):
		return oauthError{"invalid_client_id", "client identifier invalid"}
	case !same(secret, s.clientSecret()):
		return oauthError{"invalid_client", "invalid client credentials"}
	}
	return oauthError{}
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

type claims struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	Audience json.RawMessage `json:"aud"`
	Expires  json.RawMessage `json:"exp"` // a number, or a string as some clients send it
}

// checkAssertion verifies a JWT bearer assertion: RS256 over the org's key, then the claims (Salesforce Help, "OAuth
// 2.0 JWT Bearer Flow for Server-to-Server Integration").
func (s *Server) checkAssertion(form url.Values, base string) oauthError {
	if form.Has("scope") {
		return oauthError{"invalid_request", "scope parameter not supported"}
	}
	c, ok := s.verify(form.Get("assertion"))
	if !ok {
		return oauthError{"invalid_grant", "invalid assertion"}
	}
	expires, err := strconv.ParseInt(strings.Trim(string(c.Expires), `"`), 10, 64)
	left := time.Unix(expires, 0).Sub(s.clock())
	audiences := []string{`"https://login.salesforce.com"`, `"https://test.salesforce.com"`, `"` + base + `"`}
	switch {
	case !same(c.Issuer, s.clientID()):
		return oauthError{"invalid_client_id", "client identifier invalid"}
	case !slices.Contains(audiences, string(c.Audience)):
		return oauthError{"invalid_grant", "audience is invalid"}
	case err != nil || left <= 0:
		return oauthError{"invalid_grant", "expired authorization code"}
	case left > maxAssertionLife:
		return oauthError{"invalid_grant", "invalid assertion"}
	case c.Subject != s.username():
		return oauthError{"invalid_grant", "user hasn't approved this consumer"}
	}
	return oauthError{}
}

func (s *Server) verify(assertion string) (claims, bool) {
	parts := strings.Split(assertion, ".")
	key, err := s.privateKey()
	if len(parts) != 3 || err != nil {
		return claims{}, false
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	var c claims
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !decodePart(parts[0], &header) || !decodePart(parts[1], &c) || header.Algorithm != "RS256" {
		return claims{}, false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	return c, rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature) == nil
}

func decodePart(part string, into any) bool {
	b, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(b, into) == nil
}

// signedIn tells whether a request carries a session that has not expired.
func (s *Server) signedIn(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	session, known := s.sessions[token]
	return ok && known && s.clock().Before(session.expires)
}
