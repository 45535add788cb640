// A page that holds its networks.
import { localNetwork } from "./local.js";
import { openNetwork } from "./network.js";

openNetwork(ABOUT, localNetwork(NETWORKS, ABOUT));
