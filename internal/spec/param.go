package spec

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Type is the type of a parameter's value.
type Type string

// The types of parameters.
const (
	Text     Type = "text"     // any text, also an empty one
	Name     Type = "name"     // 1 to 63 letters, digits, dots, dashes and underscores; begins with a letter or digit
	File     Type = "file"     // the path of a file
	Choice   Type = "choice"   // one of Param.Choices
	Bool     Type = "bool"     // true or false
	Integer  Type = "integer"  // a whole number
	Bytes    Type = "bytes"    // a number of bytes, with an optional suffix such as Ki or Mi
	Duration Type = "duration" // such as 500ms or 1h
	Texts    Type = "texts"    // texts that are not empty, each given by itself
	List     Type = "list"     // texts that are not empty, separated by commas; a comma in one is written %2C
)

// Param describes one parameter of a kind.
type Param struct {
	// Name is what stands before the equals sign.
	Name string
	// Type is the type of the value. The zero value is Text.
	Type Type
	// Default is the value of a parameter that is not given, written as in a flag.
	// Empty: the zero value of the type.
	Default string
	// Required: a value without this parameter is refused.
	Required bool
	// Unit is that of an Integer, such as "changes". Other types imply theirs.
	Unit string
	// Meaning says in one line what the parameter does. It begins in lower case and
	// ends without a full stop.
	Meaning string
	// Choices are the values that a Choice has.
	Choices []string
	// Min and Max bound an Integer, a number of Bytes, or a Duration in nanoseconds.
	// Both zero: from 0 to the largest value of the type.
	Min, Max int64
}

// Named is the parameter that replaces a kind's own identity. A Name has no colon,
// so that it is never equal to an identity that begins with a scheme.
var Named = Param{Name: "name", Type: Name, Meaning: "identity in metrics, logs and the ledger, in place of the one derived from the value"}

var (
	nameSyntax      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	paramNameSyntax = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,62}$`)
)

// bounds returns the smallest and largest value of a number.
func (p *Param) bounds() (least, most int64) {
	if p.Min == 0 && p.Max == 0 {
		return 0, math.MaxInt64
	}
	return p.Min, p.Max
}

// parse returns the typed value of an escaped text: string, bool, int64,
// time.Duration or []string.
func (p *Param) parse(escaped string) (any, error) {
	if p.Type == List {
		return parseList(escaped)
	}
	text, err := unescape(escaped)
	if err != nil {
		return nil, err
	}
	switch p.Type {
	case Texts:
		if text == "" {
			return nil, errors.New("nothing follows the equals sign")
		}
		return []string{text}, nil
	case Name:
		if !nameSyntax.MatchString(text) {
			return nil, fmt.Errorf("%s is no name; give 1 to 63 letters, digits, dots, dashes or underscores, beginning with a letter or digit", quote(text))
		}
	case File:
		if text == "" {
			return nil, errors.New("no path of a file follows the equals sign")
		}
	case Choice:
		for _, c := range p.Choices {
			if c == text {
				return text, nil
			}
		}
		return nil, fmt.Errorf("%s is none of %s%s", quote(text), strings.Join(p.Choices, ", "), didYouMean(Nearest(text, p.Choices)))
	case Bool:
		switch text {
		case "true", "false":
			return text == "true", nil
		}
		return nil, fmt.Errorf("%s is neither true nor false", quote(text))
	case Integer:
		n, err := strconv.ParseInt(text, 10, 64)
		least, most := p.bounds()
		if err != nil || n < least || n > most {
			return nil, fmt.Errorf("%s is no whole number from %s to %s%s", quote(text), p.show(least), p.show(most), before(" ", p.Unit))
		}
		return n, nil
	case Bytes:
		n, ok := parseBytes(text)
		least, most := p.bounds()
		if !ok || n < least || n > most {
			return nil, fmt.Errorf("%s is no number of bytes from %s to %s; write it with a suffix such as Ki or Mi, or without one", quote(text), p.show(least), p.show(most))
		}
		return n, nil
	case Duration:
		d, err := time.ParseDuration(text)
		least, most := p.bounds()
		if err != nil || int64(d) < least || int64(d) > most {
			return nil, fmt.Errorf("%s is no duration from %s to %s; write it with a unit, such as 500ms or 1h", quote(text), p.show(least), p.show(most))
		}
		return d, nil
	}
	return text, nil
}

// zero is the value of a parameter that is not given and has no default.
func (p *Param) zero() any {
	switch p.Type {
	case Bool:
		return false
	case Integer, Bytes:
		return int64(0)
	case Duration:
		return time.Duration(0)
	case List, Texts:
		return []string(nil)
	}
	return ""
}

// show writes a number of the parameter's type as a flag would.
func (p *Param) show(n int64) string {
	switch p.Type {
	case Bytes:
		return resource.NewQuantity(n, resource.BinarySI).String()
	case Duration:
		return time.Duration(n).String()
	}
	return strconv.FormatInt(n, 10)
}

func parseList(escaped string) ([]string, error) {
	var all []string
	for item := range strings.SplitSeq(escaped, ",") {
		text, err := unescape(item)
		if err != nil {
			return nil, err
		}
		if text == "" {
			return nil, errors.New("an item of the list is empty; separate items by one comma each")
		}
		all = append(all, text)
	}
	return all, nil
}

func parseBytes(text string) (int64, bool) {
	if len(text) > 32 { // a quantity may have any number of digits
		return 0, false
	}
	q, err := resource.ParseQuantity(text)
	if err != nil || q.Sign() < 0 || q.CmpInt64(math.MaxInt64) > 0 {
		return 0, false
	}
	return q.Value(), true
}

// unescape decodes percent signs. Unlike a form's, a plus sign is itself.
func unescape(s string) (string, error) {
	text, err := url.PathUnescape(s)
	if err != nil {
		return "", errors.New("a percent sign is not followed by two hexadecimal digits; write %25 for a percent sign")
	}
	if strings.ContainsRune(text, 0) {
		return "", errors.New("holds a zero byte")
	}
	return text, nil
}

// before puts a separator before a text, unless the text is empty.
func before(separator, text string) string {
	if text == "" {
		return ""
	}
	return separator + text
}
