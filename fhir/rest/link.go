package rest

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"refbridge/config/pattern"
)

// ErrForeignLink is wrapped where a page's next link leads to another origin or out of the base path. Nothing was
// sent there. It is a security event: the server, or something between, tries to send us elsewhere.
var ErrForeignLink = errors.New("next link leads outside the server's base URL")

// ErrPagingLoop is wrapped where pages do not come to an end: a page seen before, pages without anything new, or too many.
var ErrPagingLoop = errors.New("paging does not end")

func foreign(part string) error { return fmt.Errorf("%w (%s)", ErrForeignLink, part) }

// elsewhere names both hosts, never a path or a query: who reads it must see whether the link is an attack or the server's own
// name for itself.
func elsewhere(part string, base, link *url.URL) error {
	return fmt.Errorf("%w: if that is the same server, set base_url or public_base_url to the address that it calls its own",
		foreign(part+"; it leads to "+hostOf(link)+", base_url is "+hostOf(base)))
}

var hostPattern = pattern.MustOnce(`^[A-Za-z0-9.\-:\[\]]{1,100}$`)

// hostOf returns scheme, host and port, as far as they can be shown.
func hostOf(u *url.URL) string {
	if u.Scheme != "https" && u.Scheme != "http" || !hostPattern().MatchString(u.Host) || longNumber().MatchString(u.Host) {
		return "an address that is not shown"
	}
	return u.Scheme + "://" + u.Host
}

// nextURL resolves a next link against the page that it stands on, and refuses it unless it has the origin of base
// and a path at or below that of base. What is so with public instead is the same below base.
func nextURL(base, public, page *url.URL, link string) (*url.URL, error) {
	u, err := linkURL(page, link)
	if err != nil {
		return nil, err
	}
	if err = below(base, u); err == nil {
		u.Host, u.Fragment, u.RawFragment = base.Host, "", ""
		return u, nil
	}
	if below(public, u) != nil {
		return nil, err
	}
	out := *base
	out.Path, out.RawQuery = base.Path+strings.TrimPrefix(u.Path, public.Path), u.RawQuery
	return &out, nil
}

func linkURL(page *url.URL, link string) (*url.URL, error) {
	if strings.ContainsFunc(link, func(r rune) bool { return r <= ' ' || r == '\\' || r >= 0x7f }) {
		return nil, foreign("characters that a URL does not have")
	}
	ref, err := url.Parse(link)
	if err != nil {
		return nil, foreign("not a URL")
	}
	return page.ResolveReference(ref), nil
}

// below returns why a URL is not at or below base.
func below(base, u *url.URL) error {
	switch {
	case u.Opaque != "" || u.Host == "":
		return foreign("scheme")
	case u.User != nil:
		return foreign("user information")
	case u.Scheme != base.Scheme:
		return elsewhere("scheme", base, u)
	case !strings.EqualFold(u.Hostname(), base.Hostname()):
		return elsewhere("host", base, u)
	case port(u) != port(base):
		return elsewhere("port", base, u)
	case !plainPath(u) || u.Path != base.Path && !strings.HasPrefix(u.Path, base.Path+"/"):
		return elsewhere("path", base, u)
	}
	return nil
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// plainPath tells whether every reader of the path finds the same segments in it: no dot segments, also none that
// are escaped or carry parameters ("..;"), no escaped slashes, no second layer of escapes, nothing empty inside.
func plainPath(u *url.URL) bool {
	if strings.ContainsAny(u.Path, "\\%") || strings.ContainsFunc(u.Path, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return false
	}
	if strings.Count(u.EscapedPath(), "/") != strings.Count(u.Path, "/") || strings.Contains(u.Path, "//") {
		return false
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		segment, _, _ = strings.Cut(segment, ";")
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}
