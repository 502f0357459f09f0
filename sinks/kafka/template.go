package kafka

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// maxTopic is the length of a topic's name, in bytes.
const maxTopic = 249

// template makes the names of topics. What stands for a cluster has no dot, and what
// stands for a resource may have some; a dot is between the two. So topics of two
// clusters or resources are two.
type template []piece

// piece is a text, or what stands for a cluster or a resource.
type piece struct {
	text              string
	cluster, resource bool
}

func (p piece) fixed() bool { return !p.cluster && !p.resource }

// parseTemplate reads a text with {cluster} and {resource} in it.
func parseTemplate(text string) (t template, err error) {
	rest := text
	for rest != "" {
		literal, behind, open := strings.Cut(rest, "{")
		if literal != "" {
			if escape(literal, true) != strings.ReplaceAll(literal, "_", "_5F") {
				return nil, fmt.Errorf("topic %.80q has characters that no topic has; use letters, digits, dots, dashes and underscores, and {cluster} and {resource}", text)
			}
			t = append(t, piece{text: literal})
		}
		if !open {
			break
		}
		name, after, closed := strings.Cut(behind, "}")
		if !closed || name != "cluster" && name != "resource" {
			return nil, fmt.Errorf("topic %.80q: in braces stands neither cluster nor resource", text)
		}
		t = append(t, piece{cluster: name == "cluster", resource: name == "resource"})
		rest = after
	}
	switch {
	case len(t) == 0 || text == "." || text == "..":
		return nil, errors.New("a topic has no name, or one of dots only")
	case len(t) == 1 && len(t[0].text) > maxTopic:
		return nil, fmt.Errorf("a topic has a name of more than %d bytes", maxTopic)
	}
	for i := 1; i < len(t); i++ {
		if !t[i].fixed() && (!t[i-1].fixed() || i > 1 && !strings.Contains(t[i-1].text, ".")) {
			return nil, fmt.Errorf("topic %.80q: put a dot between {cluster} and {resource}, so that no two of them share a topic", text)
		}
	}
	return t, nil
}

// isFixed reports whether all changes go to one topic.
func (t template) isFixed() bool { return len(t) == 1 && t[0].fixed() }

// topic returns the name of the topic for changes of a cluster and a resource.
func (t template) topic(k pipeline.Key) string {
	if t.isFixed() {
		return t[0].text
	}
	var name strings.Builder
	for _, p := range t {
		switch {
		case p.cluster:
			name.WriteString(escape(k.Cluster, false))
		case p.resource:
			name.WriteString(escape(k.Resource, true))
		default:
			name.WriteString(p.text)
		}
	}
	return shorten(name.String())
}

// matcher returns a function that reports whether a topic's name may be one that the template
// makes. What escape makes never has two underscores in a row, so that names such as
// __consumer_offsets are none, unless the template's own text has them.
func (t template) matcher() func(topic string) bool {
	var pattern strings.Builder
	for _, p := range t {
		switch {
		case p.cluster:
			pattern.WriteString(`(?:[a-zA-Z0-9-]|_[0-9A-F]{2})+`)
		case p.resource:
			pattern.WriteString(`(?:[a-zA-Z0-9.-]|_[0-9A-F]{2})+`)
		default:
			pattern.WriteString(regexp.QuoteMeta(p.text))
		}
	}
	whole := regexp.MustCompile(`^` + pattern.String() + `$`)
	return func(topic string) bool {
		if len(topic) == maxTopic {
			return strings.HasPrefix(topic, t[0].text) // it may have been shortened
		}
		return whole.MatchString(topic)
	}
}

// shorten puts a digest in place of the end of a name that is too long.
func shorten(name string) string {
	if len(name) <= maxTopic {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	digest := "_" + hex.EncodeToString(sum[:16])
	return name[:maxTopic-len(digest)] + digest
}

// escape returns s with _ and two hexadecimal digits in place of each byte that no
// topic's name can have. Different texts have different results.
func escape(s string, dots bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.' && dots:
			b.WriteByte(c)
		default:
			b.Write([]byte{'_', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}
