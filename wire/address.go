package wire

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// SecureURL reads an absolute URL that patient data may go to: https, or http where it does not leave the machine. One that holds user
// information is refused.
func SecureURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, errors.New("is not an absolute URL")
	case u.User != nil:
		return nil, errors.New("holds user information")
	case u.Scheme == "https" || u.Scheme == "http" && Loopback(u.Hostname()):
		return u, nil
	}
	return nil, errors.New("is not https (http only on this machine)")
}

// BaseURL is SecureURL without a query and a fragment.
func BaseURL(text string) (*url.URL, error) {
	u, err := SecureURL(text)
	if err == nil && (u.RawQuery != "" || u.Fragment != "" || u.ForceQuery) {
		err = errors.New("has a query or a fragment")
	}
	return u, err
}

// Origin is BaseURL without a path, as scheme and host.
func Origin(text string) (string, error) {
	u, err := BaseURL(text)
	switch {
	case err != nil:
		return "", err
	case strings.Trim(u.Path, "/") != "":
		return "", errors.New("has a path")
	}
	return u.Scheme + "://" + u.Host, nil
}

// Loopback reports whether a host name is this machine's own.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Through names one proxy for everything but what is on this machine.
func Through(proxy *url.URL) Proxy {
	return func(r *http.Request) (*url.URL, error) {
		if Loopback(r.URL.Hostname()) {
			return nil, nil
		}
		return proxy, nil
	}
}
