// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title AnchorRegistry
/// @notice Remembers when each publisher first showed a Merkle root to this chain. It has no owner, no upgrade and
/// no pause. Roots are kept per publisher, so nobody can take, block or back-date another's.
/// @dev Trees are `holdfast-keccak-v1`: leaf = keccak256(keccak256(hash)), node = keccak256 of its two children in
/// bytewise order, a lone odd node is promoted unchanged.
contract AnchorRegistry {
    /// @notice `root` was shown by `publisher` in this transaction. Whether it is also stored says {anchoredAt}.
    event Anchored(address indexed publisher, bytes32 indexed root);

    /// @notice Block time, in seconds since the Unix epoch, at which `publisher` first anchored `root`; 0 if never.
    mapping(address publisher => mapping(bytes32 root => uint256 time)) public anchoredAt;

    /// @dev 2^64 leaves are more than a tree can hold, so a longer path is not one of ours.
    uint256 private constant MAX_PROOF_LENGTH = 64;

    /// @notice Stores the time of the first sight of `root` for the caller and emits {Anchored}.
    /// Repeating it keeps the first time and does not revert.
    function anchor(bytes32 root) external {
        mapping(bytes32 => uint256) storage times = anchoredAt[msg.sender];
        if (times[root] == 0) times[root] = block.timestamp;
        emit Anchored(msg.sender, root);
    }

    /// @notice Emits {Anchored} and stores nothing: about half the gas, provable from the log only.
    function announce(bytes32 root) external {
        emit Anchored(msg.sender, root);
    }

    /// @notice Whether `hash` is under `root` by `proof`, and `root` was anchored by `publisher`.
    /// @param hash the 32-byte record hash, not yet hashed into a leaf
    /// @param proof siblings from the leaf up to the root, lowest first; longer than 64 is never valid
    /// @return valid true only if both hold
    /// @return time when `root` was first anchored, in seconds since the Unix epoch; 0 unless `valid`
    function verify(address publisher, bytes32 root, bytes32 hash, bytes32[] calldata proof)
        external
        view
        returns (bool valid, uint256 time)
    {
        if (proof.length > MAX_PROOF_LENGTH) return (false, 0);
        bytes32 node = _hash(_hash(hash));
        for (uint256 i = 0; i < proof.length; ++i) {
            bytes32 sibling = proof[i];
            node = node < sibling ? _hash(node, sibling) : _hash(sibling, node);
        }
        if (node != root) return (false, 0);
        time = anchoredAt[publisher][root];
        valid = time != 0;
    }

    function _hash(bytes32 value) private pure returns (bytes32 result) {
        assembly ("memory-safe") {
            mstore(0x00, value)
            result := keccak256(0x00, 0x20)
        }
    }

    function _hash(bytes32 left, bytes32 right) private pure returns (bytes32 result) {
        assembly ("memory-safe") {
            mstore(0x00, left)
            mstore(0x20, right)
            result := keccak256(0x00, 0x40)
        }
    }
}
