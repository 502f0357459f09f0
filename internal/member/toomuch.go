package member

import "fmt"

// TooMuchError says that what a member sends is larger than it may be. What was
// read of it until then has been dropped.
type TooMuchError struct {
	Call  string // method and path of the request
	What  string // the answer, or a part of it
	Limit int64  // bytes that it may take, decoded
}

// Error tells which answer was too large, and for which bound.
func (e *TooMuchError) Error() string {
	return fmt.Sprintf("%s: %s is larger than the %d KiB that it may take in memory", e.Call, e.What, e.Limit>>10)
}
