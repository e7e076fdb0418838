package rest

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ErrForeignLink is wrapped where a page's next link leads to another origin or out of the base path. Nothing was
// sent there. It is a security event: the server, or something between, tries to send us elsewhere.
var ErrForeignLink = errors.New("next link leads outside the server's base URL")

// ErrPagingLoop is wrapped where pages do not come to an end: a page seen before, pages without anything new, or too many.
var ErrPagingLoop = errors.New("paging does not end")

func foreign(part string) error { return fmt.Errorf("%w (%s)", ErrForeignLink, part) }

// nextURL resolves a next link against the page that it stands on, and refuses it unless it has the origin of base
// and a path at or below that of base.
func nextURL(base, page *url.URL, link string) (*url.URL, error) {
	if strings.ContainsFunc(link, func(r rune) bool { return r <= ' ' || r == '\\' || r >= 0x7f }) {
		return nil, foreign("characters that a URL does not have")
	}
	ref, err := url.Parse(link)
	if err != nil {
		return nil, foreign("not a URL")
	}
	u := page.ResolveReference(ref)
	switch {
	case u.Opaque != "" || u.Scheme != base.Scheme:
		return nil, foreign("scheme")
	case u.User != nil:
		return nil, foreign("user information")
	case !strings.EqualFold(u.Hostname(), base.Hostname()):
		return nil, foreign("host")
	case port(u) != port(base):
		return nil, foreign("port")
	case !plainPath(u) || u.Path != base.Path && !strings.HasPrefix(u.Path, base.Path+"/"):
		return nil, foreign("path")
	}
	u.Host, u.Fragment, u.RawFragment = base.Host, "", ""
	return u, nil
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
