package lab

import (
	"encoding/json"
	"fmt"
)

// Line returns a result as the line of JSON that a program prints last.
func Line(result any) (string, error) {
	text, err := json.Marshal(result)
	return string(text), err
}

// Some returns the first ten of many lines, and one that says how many more there
// are.
func Some(lines []string) []string {
	const most = 10
	if len(lines) <= most {
		return lines
	}
	return append(lines[:most:most], fmt.Sprintf("and %d more", len(lines)-most))
}
