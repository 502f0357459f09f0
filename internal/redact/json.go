package redact

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// secretKey is a key of an object whose value is secret, with all that is in it.
var secretKey = regexp.MustCompile(`(?i)^[\w./-]*(?:token|password|passwd|passphrase|secret|api[-_]?key|private[-_]?key|key[-_]?data)[\w./-]*$`)

// cleanText returns s without what is assigned to a secret's name: s may be JSON, have lines of
// it, or be any other text.
func cleanText(s string) string {
	if isJSON(s) {
		return cleanJSON(s)
	}
	if !strings.Contains(s, "\n") {
		return cleanAssigned(s)
	}
	var out strings.Builder
	from := 0 // what of s is in out
	for at := 0; at < len(s); {
		end := at + place{}.line(s[at:])
		begin := at + len(stamp.FindString(s[at:min(end, at+longestStamp)]))
		if isJSON(s[begin:end]) { // it is indented by nothing, so it is part of no other value
			out.WriteString(cleanAssigned(s[from:begin]) + cleanJSON(s[begin:end]))
			from = end
		}
		at = end + 1
	}
	return out.String() + cleanAssigned(s[from:])
}

// isJSON reports whether s is an object or a list.
func isJSON(s string) bool {
	return s != "" && (s[0] == '{' || s[0] == '[') && json.Valid([]byte(s))
}

// cleanJSON is cleanText of what isJSON. Everything else in it stays as it is.
func cleanJSON(s string) string {
	c := &jsonCleaner{s: s}
	c.value(false)
	return c.out.String() + s[c.from:]
}

// jsonCleaner goes through valid JSON.
type jsonCleaner struct {
	s    string
	at   int
	out  strings.Builder
	from int // what of s is in out
}

// value goes over one value, which is secret or not.
func (c *jsonCleaner) value(secret bool) {
	c.space()
	switch c.s[c.at] {
	case '{':
		for c.next('}') {
			key := c.text(c.token())
			c.space()
			c.at++ // the colon
			c.value(secretKey.MatchString(key) && !harmless.MatchString(key) || secret && !harmless.MatchString(key))
		}
	case '[':
		for c.next(']') {
			c.value(secret)
		}
	case '"':
		begin := c.at
		text := c.text(c.token())
		clean := cleanText(text)
		if secret && text != "" {
			clean = Redacted
		}
		if clean != text {
			c.replace(begin, clean)
		}
	default:
		begin := c.at
		if word := c.token(); secret && len(word) >= shortest && !isWord(word) {
			c.replace(begin, Redacted)
		}
	}
}

// next goes to the next member of an object or a list, over the bracket or comma before it. At
// the end it goes over that.
func (c *jsonCleaner) next(end byte) bool {
	c.space()
	if c.s[c.at] != end {
		c.at++
		c.space()
	}
	if c.s[c.at] == end {
		c.at++
		return false
	}
	return true
}

func (c *jsonCleaner) space() {
	for strings.IndexByte(" \t\r\n", c.s[c.at]) >= 0 {
		c.at++
	}
}

// token goes over a string, a number or a word, and returns it.
func (c *jsonCleaner) token() string {
	begin := c.at
	if c.s[begin] != '"' {
		c.at += strings.IndexAny(c.s[begin:], " \t\r\n,]}")
		return c.s[begin:c.at]
	}
	for c.at++; c.s[c.at] != '"'; c.at++ {
		if c.s[c.at] == '\\' {
			c.at++
		}
	}
	c.at++
	return c.s[begin:c.at]
}

// text returns what a string says.
func (*jsonCleaner) text(token string) (text string) {
	_ = json.Unmarshal([]byte(token), &text) // it is valid
	return text
}

// replace puts a text in the place of what begins at begin and ends here.
func (c *jsonCleaner) replace(begin int, text string) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string has an encoding
	c.out.WriteString(c.s[c.from:begin] + strings.TrimSuffix(b.String(), "\n"))
	c.from = c.at
}
