package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// filterVerdict says what would become of one state of an object.
type filterVerdict struct {
	Input     int             `json:"input"` // counts from 1
	Verdict   string          `json:"verdict"`
	Op        string          `json:"op"`
	Resource  string          `json:"resource"` // plural.group
	Namespace string          `json:"namespace,omitempty"`
	Name      string          `json:"name"`
	Reason    string          `json:"reason"`
	Error     string          `json:"error,omitempty"` // of an expression; the object passes nevertheless
	Data      json.RawMessage `json:"data,omitempty"`  // as it would be delivered
}

// The verdicts.
const (
	verdictDelivered = "delivered"
	verdictGone      = "delivered as deleted" // it is not selected any more
	verdictFiltered  = "filtered"
	verdictUnchanged = "unchanged"
)

// filterTest applies rules to states of objects as a stream does, to each object from
// its first state on.
type filterTest struct {
	rules         *selection.Rules
	where         []namedRules // each expression for itself, to tell which one is false
	cluster       selection.Cluster
	secretValues  bool
	programs      map[filterStream]*selection.Program
	objects       map[filterObject]*filterState
	inputs        int
	resourceNamed schema.GroupResource // of objects that do not say it; empty: it is guessed
}

type namedRules struct {
	text  string
	rules *selection.Rules
}

type filterStream struct {
	cluster    string
	resource   schema.GroupVersionResource
	kind       string
	namespaced bool
}

type filterObject struct {
	stream               filterStream
	namespace, name, uid string
}

// filterState is what a sink holds of an object.
type filterState struct {
	input  int // that was seen last
	digest uint64
	ok     bool
}

func newFilterTest(texts selection.Texts, o selection.ParseOptions, c selection.Cluster) (*filterTest, error) {
	rules, err := selection.Parse(texts, o)
	if err != nil {
		return nil, err
	}
	t := &filterTest{rules: rules, cluster: c, programs: map[filterStream]*selection.Program{}, objects: map[filterObject]*filterState{}}
	for _, text := range texts.Where {
		one, err := selection.Parse(selection.Texts{Where: []string{text}}, o)
		if err != nil {
			return nil, err
		}
		t.where = append(t.where, namedRules{text, one})
	}
	return t, nil
}

func (t *filterTest) clusterOf(in filterInput) selection.Cluster {
	c := t.cluster
	if c.Name == "" {
		c.Name = in.cluster
	}
	return c
}

// decide returns what would become of the next input.
func (t *filterTest) decide(in filterInput) (filterVerdict, error) {
	t.inputs++
	if t.resourceNamed.Resource != "" {
		in.resource.Group, in.resource.Resource = t.resourceNamed.Group, t.resourceNamed.Resource
	}
	cluster := t.clusterOf(in)
	stream := filterStream{cluster.Name, in.resource, in.gvk.Kind, in.namespace != ""}
	resource := selection.Resource{GroupVersionResource: in.resource, Kind: in.gvk.Kind, Namespaced: stream.namespaced}
	program, known := t.programs[stream]
	if !known {
		program = t.rules.For(resource, cluster)
		t.programs[stream] = program
	}
	key := filterObject{stream, in.namespace, in.name, in.uid}
	held := t.objects[key]
	if in.op == 0 {
		if in.op = selection.Updated; held == nil {
			in.op = selection.Added
		}
	}
	if in.snapshot && in.op != selection.Deleted {
		in.op = selection.Added // as in a stream
	}
	v := filterVerdict{
		Input: t.inputs, Op: in.op.String(), Resource: in.resource.GroupResource().String(), Namespace: in.namespace, Name: in.name,
	}
	if in.object == nil {
		delete(t.objects, key)
		v.Verdict, v.Reason = verdictDelivered, "a deletion"
		return v, nil
	}
	object := selection.Object{JSON: in.object, Metadata: t.metadataOnly(in), Op: in.op, Snapshot: in.snapshot}
	selected, err := program.Match(object)
	if err != nil {
		v.Error = err.Error()
	}
	switch {
	case in.op == selection.Deleted && (selected || held != nil):
		delete(t.objects, key)
		v.Verdict, v.Reason = verdictDelivered, "a deletion"
	case selected:
		t.compare(program, object, held, key, &v)
	case held != nil:
		delete(t.objects, key)
		v.Verdict = verdictGone
		v.Reason = fmt.Sprintf("it was selected before, by input %d, and now is not: %s", held.input, t.falseFor(resource, cluster, object))
	default:
		v.Verdict, v.Reason = verdictFiltered, t.falseFor(resource, cluster, object)
	}
	if v.Verdict == verdictDelivered {
		shaped, err := t.deliver(program, in, object.Metadata)
		if err != nil {
			return v, fmt.Errorf("input %d: %w", t.inputs, err)
		}
		v.Data = shaped
	}
	return v, nil
}

// compare decides about a state that is selected.
func (t *filterTest) compare(p *selection.Program, o selection.Object, held *filterState, key filterObject, v *filterVerdict) {
	digest, ok := p.Digest(o)
	v.Verdict = verdictDelivered
	switch {
	case held == nil:
		v.Reason = "the first state of the object"
	case !ok && p.Whole() && o.Metadata:
		v.Reason = "only its metadata is there, and the rules about changes need more"
	case !ok:
		v.Reason = "every change counts"
	case held.ok && held.digest == digest:
		v.Verdict = verdictUnchanged
		v.Reason = fmt.Sprintf("no field that counts differs from input %d", held.input)
	default:
		v.Reason = fmt.Sprintf("a field that counts differs from input %d", held.input)
	}
	t.objects[key] = &filterState{t.inputs, digest, ok}
}

// falseFor names the expressions that are false for the object.
func (t *filterTest) falseFor(r selection.Resource, c selection.Cluster, o selection.Object) string {
	var texts []string
	for _, one := range t.where {
		if selected, _ := one.rules.For(r, c).Match(o); !selected {
			texts = append(texts, one.text)
		}
	}
	return "false: " + strings.Join(texts, "; ")
}

// metadataOnly reports whether fairlead run has only the metadata of such an object.
func (t *filterTest) metadataOnly(in filterInput) bool {
	return in.gvk.Kind == wire.PartialKind || in.resource.GroupResource().String() == "secrets" && !t.secretValues
}

// deliver returns the object as it would be delivered.
func (t *filterTest) deliver(p *selection.Program, in filterInput, metadata bool) ([]byte, error) {
	var s wire.Scanner
	var f wire.Frame
	if !s.ScanObject(in.object, &f) || f.Meta == nil {
		return nil, errors.New("the object cannot be read")
	}
	if !metadata {
		return p.AppendShaped(nil, wire.CopyObject(nil, in.object, &f, in.gvk)), nil
	}
	object, err := wire.WithoutLastApplied(wire.CopyMetadata(nil, in.object, &f))
	if err != nil {
		return nil, err
	}
	return p.AppendShaped(nil, object), nil
}
