package flowfile

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/freshet/freshet/stream"
)

// model builds a model that the file declares.
func (b *builder) model(n *node) {
	declared := &declaredModel{faulty: true}
	b.models[n.name] = declared
	var common ModelConfig
	config := b.decodeNode(n, &common)
	if n.faulty {
		return
	}
	m, err := b.registry.Models[n.kind].Build(n.name, config, common, b.env(n))
	if err != nil {
		b.refused(n, err)
		return
	}
	declared.model, declared.faulty = m, false
	b.file.Models[n.name] = m
}

// named is Env.Model: a model of the file, `<kind>/<model>`, or `<kind>`.
func (b *builder) named(name string) (stream.Model, error) {
	if m, ok := b.models[name]; ok {
		if m.faulty {
			return nil, &stream.Problem{} // told where the model stands
		}
		return m.model, nil
	}
	kindName, of, slash := strings.Cut(name, "/")
	kind, ok := b.registry.Models[kindName]
	if !ok || slash && of == "" {
		return nil, b.unknownModel(name)
	}
	m, err := b.shorthand(name, kind, of)
	if err != nil {
		return nil, err
	}
	b.models[name] = &declaredModel{model: m}
	b.file.Models[name] = m
	return m, nil
}

// shorthand builds a model from the defaults of its kind. Its faults lie where the step names it.
func (b *builder) shorthand(name string, kind ModelKind, model string) (stream.Model, error) {
	own := newDocument(b.document.file, b.lookup)
	body := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if model != "" {
		body.Content = []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: "model"},
			{Kind: yaml.ScalarNode, Tag: "!!str", Value: model}}
	}
	var common ModelConfig
	config := kind.New()
	empty := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	own.decode(place{value: empty, label: fmt.Sprintf("the model %q", name)}, &common)
	own.decode(place{value: body, label: fmt.Sprintf("the model %q", name)}, config)
	b.secrets.secrets = append(b.secrets.secrets, own.secrets.secrets...)
	if len(own.faults) > 0 {
		first := own.faults[0]
		return nil, &stream.Problem{Code: first.Code, Field: "model", Message: first.Message,
			Hint: fmt.Sprintf("declare the model: `models: {<name>: {%s: {…}}}`; %s", strings.SplitN(name, "/", 2)[0], first.Hint)}
	}
	m, err := kind.Build(name, config, common, &Env{Dir: b.file.Dir, Flow: b.file.Name, Node: name, Logger: b.logger, Model: b.named})
	for _, fault := range faultsOf(err) {
		q := *fault
		q.Field, q.Offset = "model", 0
		return nil, &q
	}
	return m, nil
}

func (b *builder) unknownModel(name string) error {
	var declared []string
	for n := range b.models {
		declared = append(declared, n)
	}
	kinds := sortedKeys(b.registry.Models)
	candidates := slices.Concat(declared, kinds)
	if kind, of, ok := strings.Cut(name, "/"); ok && of != "" {
		if near := stream.Nearest(kind, kinds); near != "" {
			candidates = append(candidates, near+"/"+of)
		}
	}
	slices.Sort(candidates)
	hint := fmt.Sprintf("did you mean %q?", stream.Nearest(name, candidates))
	if stream.Nearest(name, candidates) == "" {
		hint = fmt.Sprintf("declare it under `models:`, or name one of %s (a kind of models may be followed by /<model>)",
			strings.Join(candidates, ", "))
	}
	return &stream.Problem{Code: "unknown_model", Field: "model", Message: fmt.Sprintf("no model is named %q", name), Hint: hint}
}
