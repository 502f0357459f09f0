package member

import "fmt"

// TooMuchError says that an answer of a member was larger than it may be, such as
// connection.Config.MaxAnswer allows. What was read of it has been dropped. Find it with
// errors.As.
type TooMuchError struct {
	Call  string // method and path of the request
	What  string // the answer, or a part of it
	Limit int64  // bytes that it may take, decoded
}

// Error tells which answer was too large, and for which bound.
func (e *TooMuchError) Error() string {
	return fmt.Sprintf("%s: %s is larger than the %d KiB that it may take in memory", e.Call, e.What, e.Limit>>10)
}
