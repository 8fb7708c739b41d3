//! Pools: which nodes are made, dropped and handed out. Pure: [`slot`] says what a node is to its pool, [`keep`] has the
//! rules of a pool, [`desk`] says which claim is next and gets which nodes, and [`status`] what people read.

pub mod desk;
pub mod keep;
pub mod slot;
pub mod status;
