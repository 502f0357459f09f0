package redact

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// cleanText returns s without what is assigned to a secret's name: s may be JSON, have lines of
// it, or be any other text.
func (r *Redactor) cleanText(s string) string {
	if isJSON(s) {
		return r.cleanJSON(s)
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
			out.WriteString(cleanAssigned(s[from:begin]) + r.cleanJSON(s[begin:end]))
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
func (r *Redactor) cleanJSON(s string) string {
	c := &jsonCleaner{redactor: r, s: s}
	c.value(false)
	slices.SortFunc(c.edits, func(a, b edit) int { return cmp.Or(a.begin-b.begin, b.end-a.end) })
	var out strings.Builder
	from := 0 // what of s is in out
	for _, e := range c.edits {
		if e.begin >= from { // else it is in one that is there already
			out.WriteString(s[from:e.begin] + e.instead)
			from = e.end
		}
	}
	return out.String() + s[from:]
}

// jsonCleaner goes through valid JSON.
type jsonCleaner struct {
	redactor *Redactor
	s        string
	at       int
	edits    []edit // each in another one, or apart from it
}

// edit is what is to be in the place of a part of a text.
type edit struct {
	begin, end int
	instead    string // JSON
}

// value goes over one value, which is secret or not. It returns what a string says.
func (c *jsonCleaner) value(secret bool) (text string) {
	c.space()
	switch c.s[c.at] {
	case '{':
		c.object(secret)
	case '[':
		flag := false // the one before is the name of a secret: ["--password", "..."]
		for c.next(']') {
			flag = isFlag(c.value(secret || flag && !strings.HasPrefix(c.s[c.at:], `"-`)))
		}
	case '"':
		return c.text(secret)
	default:
		begin := c.at
		if word := c.token(); secret && len(word) >= shortest && !isWord(word) {
			c.replace(begin, c.at, Redacted)
		}
	}
	return ""
}

// object goes over an object. If it is {"name": "DB_PASSWORD", "value": "..."}, in whichever
// order, its value is secret.
func (c *jsonCleaner) object(secret bool) {
	named, begin, end := false, 0, 0 // the value
	for c.next('}') {
		key := c.text(false)
		c.space()
		c.at++ // the colon
		c.space()
		before := c.at
		text := c.value((secret || isSecret(key)) && !isHarmless(key))
		switch strings.ToLower(key) {
		case "name", "key":
			named = named || isSecret(text)
		case "value":
			begin, end = before, c.at
		}
	}
	if named && !isWord(strings.Trim(c.s[begin:end], `"`)) {
		c.replace(begin, end, Redacted)
	}
}

// text goes over a string, which is secret or not, and returns what it says.
func (c *jsonCleaner) text(secret bool) (text string) {
	begin := c.at
	token := c.token()
	text = token[1 : len(token)-1]
	clean := text
	if strings.Contains(token, `\`) {
		_ = json.Unmarshal([]byte(token), &text) // it is valid
		clean = c.redactor.Clean(text)
	}
	if clean = c.redactor.cleanText(clean); secret && !isWord(text) {
		clean = Redacted
	}
	if clean != text {
		c.replace(begin, c.at, clean)
	}
	return text
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

// replace puts a text in the place of a value.
func (c *jsonCleaner) replace(begin, end int, text string) {
	if text == Redacted { // there may be many
		c.edits = append(c.edits, edit{begin, end, `"` + Redacted + `"`})
		return
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string has an encoding
	c.edits = append(c.edits, edit{begin, end, strings.TrimSuffix(b.String(), "\n")})
}
