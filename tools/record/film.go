package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// palette is the colours of a picture.
type palette struct{ back, frame, text, soft, good, bad string }

var (
	light = palette{back: "#ffffff", frame: "#d1d9e0", text: "#1f2328", soft: "#59636e", good: "#116329", bad: "#bc4c00"}
	dark  = palette{back: "#0d1117", frame: "#3d444d", text: "#e6edf3", soft: "#9198a1", good: "#3fb950", bad: "#f0883e"}
)

const (
	cellWidth  = 7.8
	lineHeight = 18
	margin     = 16
)

// film returns the frames as an SVG: they lie side by side, and a window with the
// size of one moves over them. A line that several frames show is there once.
func film(frames []frame, columns, rows int, p palette) []byte {
	width, height := int(float64(columns)*cellWidth)+2*margin, rows*lineHeight+2*margin
	var total time.Duration
	for _, f := range frames {
		total += f.lasts
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img" aria-labelledby="t">
<title id="t">A terminal: the demo runs from start to end</title>
<style>
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre;fill:%s}
.s{fill:%s}.g{fill:%s}.b{fill:%s}
#film{transform:translateX(-%dpx);animation:film %.2fs steps(1,end) infinite}
@media (prefers-reduced-motion:reduce){#film{animation:none}}
@keyframes film{
`, width, height, p.text, p.soft, p.good, p.bad, (len(frames)-1)*width, total.Seconds())
	var at time.Duration
	for i, f := range frames {
		fmt.Fprintf(&b, "%.2f%%{transform:translateX(-%dpx)}\n", 100*at.Seconds()/total.Seconds(), i*width)
		at += f.lasts
	}
	fmt.Fprintf(&b, "}\n</style>\n<rect x=\".5\" y=\".5\" width=\"%d\" height=\"%d\" rx=\"8\" fill=\"%s\" stroke=\"%s\"/>\n", width-1, height-1, p.back, p.frame)
	known := map[string]int{}
	var strip bytes.Buffer
	b.WriteString("<defs>\n")
	for i, f := range frames {
		fmt.Fprintf(&strip, "<g transform=\"translate(%d)\">", i*width)
		for y, line := range f.lines {
			if line == "" {
				continue
			}
			n, ok := known[line]
			if !ok {
				n = len(known)
				known[line] = n
				fmt.Fprintf(&b, "<text id=\"l%d\" x=\"%d\">%s</text>\n", n, margin, coloured(line))
			}
			fmt.Fprintf(&strip, "<use href=\"#l%d\" y=\"%d\"/>", n, margin+13+y*lineHeight)
		}
		strip.WriteString("</g>\n")
	}
	b.WriteString("</defs>\n<g id=\"film\">\n")
	b.Write(strip.Bytes())
	b.WriteString("</g>\n</svg>\n")
	return b.Bytes()
}

// spans are the parts of a line that have a colour, by class; a later one wins.
var spans = []struct {
	class string
	parts *regexp.Regexp
}{
	{"s", regexp.MustCompile(`^ *\d+s  |^\$ `)},
	{"g", regexp.MustCompile(`\blive\b|nothing missing, no ghosts, nothing out of order|"missing":0,"ghosts":0,"out_of_order":0`)},
	{"b", regexp.MustCompile(`\b(?:backing off|stale|connecting|syncing|cut off)\b`)},
	{"s", regexp.MustCompile(`^  cluster .*$|^  (?:Written|other\.|place) .*$`)},
}

// coloured returns a line as content of a text element.
func coloured(line string) string {
	classes := make([]string, len(line))
	for _, s := range spans {
		for _, m := range s.parts.FindAllStringIndex(line, -1) {
			for i := m[0]; i < m[1]; i++ {
				classes[i] = s.class
			}
		}
	}
	var b strings.Builder
	for from := 0; from < len(line); {
		to := from
		for to < len(line) && classes[to] == classes[from] {
			to++
		}
		var text bytes.Buffer
		_ = xml.EscapeText(&text, []byte(line[from:to])) // a buffer takes all
		if classes[from] == "" {
			b.Write(text.Bytes())
		} else {
			fmt.Fprintf(&b, `<tspan class="%s">%s</tspan>`, classes[from], text.Bytes())
		}
		from = to
	}
	return b.String()
}
