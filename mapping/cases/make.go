package cases

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"refbridge/config/pattern"
	"refbridge/fhir"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

// Made is a case out of a record, as two files for the folder of cases.
type Made struct {
	Name     string // of the files, without .json and .yaml
	Input    []byte // JSON
	Cases    []byte // YAML
	Replaced []Replaced
	Unlike   []string // in what the synthetic record becomes something else than the real one; free of personal data
}

// ErrName is wrapped where the name of a case holds what is personal in the record: it becomes the name of a file.
var ErrName = errors.New("the name of the case holds something personal")

var notFileName = pattern.MustOnce(`[^a-z0-9]+`)

// Make makes a case of a record: with invented values in place of personal ones, expecting what the tables give
// today. It has been read back and holds when it is returned.
func Make(s *mapping.Set, name string, in mapping.Sample, key []byte) (Made, error) {
	made := Made{Name: strings.Trim(notFileName().ReplaceAllString(strings.ToLower(name), "-"), "-")}
	if made.Name == "" {
		return made, fmt.Errorf("the name of the case has no letter or digit")
	}
	invent := newSynthesiser(key)
	invent.resolver = in.References()
	list, err := invent.all(slices.Concat(in.Focus, in.Related))
	if err != nil {
		return made, err
	}
	if what := invent.secrets.in(name, title); what != "" {
		return made, fmt.Errorf("%w (%s)", ErrName, what)
	}
	made.Replaced, made.Input = invent.replaced, invent.pretty(list)
	synthetic := mapping.Sample{Bundle: fhir.Bundle{Focus: list[:len(in.Focus)], Related: list[len(in.Focus):]}, Variables: in.Variables, Now: in.Now}
	records, faults := s.MapAll(synthetic)
	made.Unlike = append(otherCodes(made.Replaced), unlike(s, in, records, faults)...)
	if made.Cases, err = caseFile(name, made.Name, synthetic, records, faults); err != nil {
		return made, err
	}
	return made, made.proven(s)
}

// proven reads a made case back and runs it.
func (made Made) proven(s *mapping.Set) error {
	cases, faults := read(made.Name+".yaml", made.Cases, func(string) ([]byte, error) { return made.Input, nil })
	if err := faults.Err(); err != nil {
		return fmt.Errorf("the case cannot be read back: %w", err)
	}
	if err := Check(s, cases); err != nil {
		return fmt.Errorf("the case expects what the tables do not give: %w", err)
	}
	for _, c := range cases {
		in, ok := c.Sample()
		if failures := c.Run(s, in); !ok || len(failures) > 0 {
			return fmt.Errorf("the case does not hold when it is read back: %d failures", len(failures))
		}
	}
	return nil
}

// otherCodes says which codes and systems are others: what a table does with the real ones is not in the case.
func otherCodes(replaced []Replaced) []string {
	var out []string
	for _, r := range replaced {
		if r.What == notCode {
			out = append(out, r.Path+" is another one: what stood there is no plain code or url, or holds what may be an NHS number or a postcode")
		}
	}
	return out
}

// unlike says where a record and its synthetic copy become different things: records, fields with a value, reasons of a hold.
func unlike(s *mapping.Set, in mapping.Sample, records []mapping.Mapped, faults mapping.Faults) []string {
	real, realFaults := s.MapAll(in)
	var out []string
	for _, was := range outline(real, realFaults) {
		if !slices.Contains(outline(records, faults), was) {
			out = append(out, "not in the case: "+was)
		}
	}
	for _, is := range outline(records, faults) {
		if !slices.Contains(outline(real, realFaults), is) {
			out = append(out, "only in the case: "+is)
		}
	}
	return out
}

func outline(records []mapping.Mapped, faults mapping.Faults) []string {
	var out []string
	for _, f := range faults {
		out = append(out, strings.TrimSpace(fmt.Sprintf("held, %s %s", f.Kind, f.Field)))
	}
	for _, m := range records {
		for _, f := range m.Record.Fields {
			if !f.Value.IsNull() {
				out = append(out, m.Record.Object+" "+f.Name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// caseFile writes the YAML of a case.
func caseFile(name, file string, in mapping.Sample, records []mapping.Mapped, faults mapping.Faults) ([]byte, error) {
	one := []*yaml.Node{nodeText("name"), nodeText(name)}
	if len(faults) > 0 {
		one = append(one, nodeText("hold"), holdNodes(faults))
	} else {
		one = append(one, nodeText("expect"), recordNodes(records))
	}
	var variables []*yaml.Node
	for _, name := range mapping.BuiltIn() {
		value := &yaml.Node{Kind: yaml.ScalarNode, Value: "null", Tag: "!!null"} // a plain FHIR server has no system
		if v := in.Variables[name]; v != "" {
			value = nodeText(v)
		}
		variables = append(variables, nodeText(name), value)
	}
	root := nodeMap(nodeText("variables"), nodeMap(variables...), nodeText("now"), nodePlain(in.Now.UTC().Format("2006-01-02T15:04:05Z")),
		nodeText("input"), nodeText(file+".json"), nodeText("cases"), nodeList(nodeMap(one...)))
	var b bytes.Buffer
	b.WriteString("# Made from a record, with invented values in place of personal ones. Keep what matters, and say why under purpose.\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	err := e.Encode(root)
	return b.Bytes(), err
}

func holdNodes(faults mapping.Faults) *yaml.Node {
	var out []*yaml.Node
	for _, f := range faults {
		n := nodeMap(nodeText("kind"), nodeText(string(f.Kind)))
		if f.Field != "" {
			n.Content = append(n.Content, nodeText("field"), nodeText(f.Field))
		}
		n.Style = yaml.FlowStyle
		out = append(out, n)
	}
	return nodeList(out...)
}

func recordNodes(records []mapping.Mapped) *yaml.Node {
	var out []*yaml.Node
	for _, m := range records {
		n := nodeMap(nodeText("object"), nodeText(m.Record.Object))
		if key := m.Record.Key.Value; key != "" && !hashed(key) {
			n.Content = append(n.Content, nodeText("key"), nodeText(m.Record.Key.Value))
		}
		fields, absent := nodeMap(), nodeList()
		for _, f := range m.Record.Fields {
			if f.Value.IsNull() {
				absent.Content = append(absent.Content, nodeText(f.Name))
				continue
			}
			fields.Content = append(fields.Content, nodeText(f.Name), valueNode(f.Value, records, 0))
		}
		if len(fields.Content) > 0 {
			n.Content = append(n.Content, nodeText("fields"), fields)
		}
		if len(absent.Content) > 0 && !hashed(m.Record.Key.Value) {
			absent.Style = yaml.FlowStyle
			n.Content = append(n.Content, nodeText("absent"), absent)
		}
		out = append(out, n)
	}
	return nodeList(out...)
}

// valueNode writes a value; a key that nobody can read becomes what the record that it points to says.
func valueNode(v sobject.Value, records []mapping.Mapped, depth int) *yaml.Node {
	to := (&comparison{records: records}).pointed(v)
	if v.Kind() != sobject.Ref || !hashed(v.Key()) || to.Record.Object == "" || depth > 2 {
		return nodeText(written(v))
	}
	n := nodeMap()
	for _, f := range to.Record.Fields {
		if k := f.Value.Kind(); len(n.Content) < 4 && (k == sobject.Text || k == sobject.Ref) {
			n.Content = append(n.Content, nodeText(f.Name), valueNode(f.Value, records, depth+1))
		}
	}
	n.Style = yaml.FlowStyle
	return n
}

var hashShape = pattern.MustOnce(`^[0-9a-f]{32,}$`)

func hashed(key string) bool { return hashShape().MatchString(key) }

// The nodes of a YAML file. nodeText quotes what YAML would take for something else than a text, but for true and false.
func nodeText(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	if text == "true" || text == "false" {
		n.Tag = "!!bool"
	}
	return n
}

func nodePlain(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Value: text, Tag: "!!timestamp"}
}

func nodeMap(content ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Content: content}
}

func nodeList(content ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Content: content}
}
