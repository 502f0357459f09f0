package selection

import (
	"strings"
	"testing"
)

// No text of an object is read as a number of any size.
func TestQuantitiesAreBounded(t *testing.T) {
	for text, sound := range map[string]bool{
		"1Gi": true, "1e3": true, "5E": true, "100m": true, "1E-3": true, "x": true,
		"1e2000000000": false, "1e-999999999": false, "1E31": false, strings.Repeat("9", 65): false,
	} {
		if got := soundQuantity(text); got != sound {
			t.Errorf("%s: %t, want %t", text, got, sound)
		}
	}
	object := Object{JSON: []byte(`{"metadata":{"annotations":{"x":"1e2000000000"}}}`)}
	p := programFor(t, podResource, Texts{Where: []string{"pods: quantity(object.metadata.annotations['x']).isGreaterThan(quantity('1Gi'))"}})
	if selected, err := p.Match(object); !selected || err == nil {
		t.Errorf("%t, %v", selected, err)
	}
	p = programFor(t, podResource, Texts{Where: []string{"pods: isQuantity(object.metadata.annotations['x'])"}})
	if selected, err := p.Match(object); selected || err != nil {
		t.Errorf("%t, %v", selected, err)
	}
}

// An expression that grows when it is read, or that makes a value that grows with each
// step, is refused or stopped.
func TestExpressionsThatDouble(t *testing.T) {
	if _, err := Parse(Texts{Where: []string{"pods: optional.of(1)" + strings.Repeat(".optMap(a, a)", 30) + ".hasValue()"}}, ParseOptions{}); err == nil || !strings.Contains(err.Error(), "at most 4") {
		t.Errorf("%v", err)
	}
	rules, err := Parse(Texts{Where: []string{"pods: ['0123456789abcdef']" + strings.Repeat(".map(a, a+a)", 40) + ".size() == 1"}}, ParseOptions{})
	if err != nil {
		return // which is as well
	}
	p := rules.For(podResource, Cluster{})
	for _, e := range p.where {
		if e.program.upTo > 0 {
			t.Errorf("it is not counted for objects of up to %d bytes", e.program.upTo)
		}
	}
}

// What the metadata say against an object counts where the rest of it is not there.
func TestMetadataAloneCanBeFalse(t *testing.T) {
	p := programFor(t, podResource, Texts{Where: []string{"pods: object.metadata.namespace == 'web' && object.spec.nodeName == 'a'"}})
	for namespace, want := range map[string]bool{"web": true, "other": false} {
		selected, err := p.Match(Object{JSON: []byte(`{"metadata":{"namespace":"` + namespace + `"}}`), Metadata: true})
		if selected != want || (err != nil) != want {
			t.Errorf("%s: %t, %v", namespace, selected, err)
		}
	}
}
