package selection

import (
	"fmt"
	"strconv"
	"strings"
)

// Bounds of what a description may ask for: an object is compared with each path.
const (
	maxPaths = 64
	maxSteps = 32
)

// parsePaths reads paths with commas between them.
func parsePaths(text string) ([]path, error) {
	p := pathParser{text: text}
	var paths []path
	for {
		one, err := p.path()
		if err != nil {
			return nil, fmt.Errorf("path %.200q: at byte %d: %w", text, p.i, err)
		}
		paths = append(paths, one)
		if p.i == len(text) {
			break
		}
		p.i++ // the comma
	}
	if len(paths) > maxPaths {
		return nil, fmt.Errorf("%d paths are too many: at most %d are compared", len(paths), maxPaths)
	}
	return paths, nil
}

type pathParser struct {
	text string
	i    int
}

func (p *pathParser) peek() byte {
	if p.i < len(p.text) {
		return p.text[p.i]
	}
	return 0
}

// take consumes the word if it is next.
func (p *pathParser) take(word string) bool {
	if strings.HasPrefix(p.text[p.i:], word) {
		p.i += len(word)
		return true
	}
	return false
}

func (p *pathParser) blank() {
	for p.peek() == ' ' || p.peek() == '\t' {
		p.i++
	}
}

// path reads one path up to the comma behind it, or up to the end. As kubectl has it,
// braces, a dollar and a dot may stand around it.
func (p *pathParser) path() (path, error) {
	p.blank()
	braces := p.take("{")
	p.take("$")
	var steps path
	if p.peek() != '.' && p.peek() != '[' {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		steps = append(steps, name)
	}
	for p.peek() == '.' || p.peek() == '[' {
		read := p.bracket
		if p.take(".") {
			read = p.name
		} else {
			p.i++
		}
		next, err := read()
		if err != nil {
			return nil, err
		}
		if steps = append(steps, next); len(steps) > maxSteps {
			return nil, fmt.Errorf("it has more than %d steps", maxSteps)
		}
	}
	if braces && !p.take("}") {
		return nil, fmt.Errorf("the closing } is missing")
	}
	p.blank()
	if c := p.peek(); c != ',' && p.i < len(p.text) {
		return nil, fmt.Errorf("unexpected %q; a name with other characters than letters, digits, _, - and / stands as ['name']", c)
	}
	return steps, nil
}

// name reads what follows a dot.
func (p *pathParser) name() (step, error) {
	if p.take("*") {
		return step{kind: stepEach}, nil
	}
	var name strings.Builder
	for p.i < len(p.text) {
		c := p.text[p.i]
		if c == '\\' && p.i+1 < len(p.text) { // kubectl's way to write a dot
			p.i++
			c = p.text[p.i]
		} else if !bareByte(c) {
			break
		}
		name.WriteByte(c)
		p.i++
	}
	if name.Len() == 0 {
		return step{}, fmt.Errorf("a name is missing, such as spec or status.phase")
	}
	return step{kind: stepKey, key: name.String()}, nil
}

// bracket reads what follows an opening bracket.
func (p *pathParser) bracket() (next step, err error) {
	switch c := p.peek(); {
	case p.take("*"):
		next.kind = stepEach
	case p.take("?"):
		next, err = p.match()
	case c == '\'' || c == '"':
		next.kind, next.text = stepKey, true
		next.key, err = p.quoted()
	case '0' <= c && c <= '9':
		from := p.i
		for '0' <= p.peek() && p.peek() <= '9' {
			p.i++
		}
		next.kind = stepIndex
		if next.index, err = strconv.Atoi(p.text[from:p.i]); err != nil {
			err = fmt.Errorf("%.20q is no index of a list", p.text[from:p.i])
		}
	default:
		err = fmt.Errorf("in brackets stands *, a 'name', an index, or ?name=value")
	}
	if err == nil && !p.take("]") {
		err = fmt.Errorf("the closing ] is missing")
	}
	return next, err
}

// match reads a comparison: name=value, or kubectl's (@.name=="value").
func (p *pathParser) match() (next step, err error) {
	next.kind = stepMatch
	parentheses := p.take("(")
	p.take("@.")
	if c := p.peek(); c == '\'' || c == '"' {
		next.key, err = p.quoted()
	} else {
		next.key = p.word()
	}
	if err != nil {
		return next, err
	}
	p.blank()
	if next.key == "" || !p.take("=") {
		return next, fmt.Errorf("a comparison is [?name=value]")
	}
	p.take("=")
	p.blank()
	if c := p.peek(); c == '\'' || c == '"' {
		next.text = true
		next.value, err = p.quoted()
	} else if next.value = p.word(); next.value == "" {
		err = fmt.Errorf("a value is missing; one with other characters than letters, digits, _, -, / and . stands in quotes")
	}
	if err != nil {
		return next, err
	}
	p.blank()
	if parentheses && !p.take(")") {
		return next, fmt.Errorf("the closing ) is missing")
	}
	return next, nil
}

func (p *pathParser) word() string {
	from := p.i
	for p.i < len(p.text) && (bareByte(p.text[p.i]) || p.text[p.i] == '.') {
		p.i++
	}
	return p.text[from:p.i]
}

// quoted reads a text in quotes, in which a backslash makes the next character stand
// for itself.
func (p *pathParser) quoted() (string, error) {
	end := p.text[p.i]
	var text strings.Builder
	for p.i++; p.i < len(p.text); p.i++ {
		switch c := p.text[p.i]; c {
		case end:
			p.i++
			return text.String(), nil
		case '\\':
			if p.i++; p.i == len(p.text) {
				return "", fmt.Errorf("the closing %c is missing", end)
			}
			text.WriteByte(p.text[p.i])
		default:
			text.WriteByte(c)
		}
	}
	return "", fmt.Errorf("the closing %c is missing", end)
}
