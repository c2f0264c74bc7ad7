//! Values that services want: who may set them, and that they come back by no way.

mod changes;
