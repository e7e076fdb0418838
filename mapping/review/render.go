package review

import (
	_ "embed"
	"fmt"
	html "html/template"
	"io"
	"strings"
	"text/template"
)

//go:embed page.html.tmpl
var pageHTML string

//go:embed page.md.tmpl
var pageMarkdown string

// HTML writes the review as one page that needs nothing beside it: no script, no style sheet, no picture. It prints on A4.
func (r Review) HTML(w io.Writer) error {
	t, err := html.New("review").Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	return t.Execute(w, r)
}

// Markdown writes the review for a repository or a pull request.
func (r Review) Markdown(w io.Writer) error {
	t, err := template.New("review").Funcs(template.FuncMap{"cell": markdownCell, "code": markdownCode,
		"codecell": markdownCodeCell, "anchor": markdownAnchor,
		"rules": row.markdownRules}).
		Parse(pageMarkdown)
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	return t.Execute(w, r)
}

// markdownCell writes a text so that it stays in its cell and stays a text: no markup and no link comes of it.
func markdownCell(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "[", `\[`, "<", "&lt;").Replace(s)
}

// markdownCodeCell writes a code in a cell. Only a bar would end it: all else stands in backticks as it is.
func markdownCodeCell(s string) string {
	return strings.ReplaceAll(markdownCode(strings.Join(strings.Fields(s), " ")), "|", `\|`)
}

// markdownCode writes a text in backticks, as many as it needs.
func markdownCode(s string) string {
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		return fence + " " + s + " " + fence
	}
	return fence + s + fence
}

// markdownAnchor is the anchor that a heading "Object (file.yaml)" gets.
func markdownAnchor(object, file string) string {
	return strings.NewReplacer(" ", "-", ":", "", ".", "").Replace(strings.ToLower(object + "-" + file))
}

// markdownRules writes the rules of a row in one cell, a line each.
func (r row) markdownRules() string {
	var lines []string
	if r.Required {
		lines = append(lines, "**must have a value**")
	}
	for _, s := range r.Steps {
		lines = append(lines, markdownCell(s))
	}
	if r.Values != "" {
		lines = append(lines, markdownCell("translated by "+r.Values+"; "+r.Unlisted))
	}
	for _, s := range r.Rules {
		lines = append(lines, markdownCell(s))
	}
	if r.Owner != "" {
		lines = append(lines, r.Owner)
	}
	return strings.Join(lines, "<br>")
}
