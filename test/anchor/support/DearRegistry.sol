// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// A registry whose calls burn gas besides, as on a chain after a fork, or one that counts gas on another scale.
contract DearRegistry {
    event Anchored(address indexed publisher, bytes32 indexed root);

    mapping(address publisher => mapping(bytes32 root => uint256 time)) public anchoredAt;
    /// Gas that each call burns on top of what it does.
    uint256 public burnt;

    constructor(uint256 gas) {
        burnt = gas;
    }

    function setBurnt(uint256 gas) external {
        burnt = gas;
    }

    function anchor(bytes32 root) external {
        uint256 start = gasleft();
        if (anchoredAt[msg.sender][root] == 0) anchoredAt[msg.sender][root] = block.timestamp;
        emit Anchored(msg.sender, root);
        while (start - gasleft() < burnt) {}
    }

    function announce(bytes32 root) external {
        uint256 start = gasleft();
        emit Anchored(msg.sender, root);
        while (start - gasleft() < burnt) {}
    }
}
