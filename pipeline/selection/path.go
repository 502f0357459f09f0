package selection

import (
	"strconv"
	"strings"

	"github.com/fairlead-dev/fairlead/internal/jsonwalk"
)

// path names values of an object, in the simple form of kubectl's JSONPath:
//
//	spec.replicas
//	metadata.labels['app.kubernetes.io/name']
//	spec.containers[*].image
//	status.conditions[?type=Ready].status
//
// A path that ends at an object or a list names all of it. One that leads nowhere in
// an object names nothing there.
type path []step

// step leads from a value into it.
type step struct {
	kind  stepKind
	key   string // of stepKey; of stepMatch, that of the member that is compared
	value string // of stepMatch
	text  bool   // of stepMatch: value was quoted, and only strings equal it
	index int    // of stepIndex
}

type stepKind uint8

const (
	stepKey   stepKind = iota // .name and ['name']: a member of an object
	stepEach                  // [*] and .*: each element of a list, each member of an object
	stepIndex                 // [0]: an element of a list
	stepMatch                 // [?key=value]: the elements of a list that have such a member
)

// String returns the path as it would be written, the same for the same path.
func (p path) String() string {
	var s strings.Builder
	for i, step := range p {
		switch step.kind {
		case stepKey:
			if bare(step.key) {
				if i > 0 {
					s.WriteByte('.')
				}
				s.WriteString(step.key)
			} else {
				s.WriteString("[" + quote(step.key) + "]")
			}
		case stepEach:
			s.WriteString("[*]")
		case stepIndex:
			s.WriteString("[" + strconv.Itoa(step.index) + "]")
		case stepMatch:
			key, value := step.key, step.value
			if !bare(key) {
				key = quote(key)
			}
			if step.text || !bare(value) {
				value = quote(value)
			}
			s.WriteString("[?" + key + "=" + value + "]")
		}
	}
	return s.String()
}

// bare reports whether a name can stand without quotes.
func bare(name string) bool {
	for i := range len(name) {
		if !bareByte(name[i]) {
			return false
		}
	}
	return name != ""
}

func bareByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '/'
}

var quoting = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

func quote(name string) string { return "'" + quoting.Replace(name) + "'" }

// matches reports whether the element of a list is one that the step means.
func (s *step) matches(element jsonwalk.Value, index int) bool {
	switch s.kind {
	case stepEach:
		return true
	case stepIndex:
		return s.index == index
	case stepMatch:
		member := element.Get(s.key)
		switch member.Kind() {
		case jsonwalk.String:
			return member.Is(s.value)
		case jsonwalk.Number, jsonwalk.Bool, jsonwalk.Null:
			return !s.text && string(member.Bytes()) == s.value
		}
	}
	return false
}
